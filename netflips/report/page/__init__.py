"""The report of a dub as one HTML page: to read on any screen, without a network, and to watch the videos that lie beside it."""
