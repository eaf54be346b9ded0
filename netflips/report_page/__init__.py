"""The report of a dub as one HTML page: to read on any screen, without a network and without JavaScript."""
