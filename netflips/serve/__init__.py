"""A web page to dub with: upload, look at what was understood, correct, download."""
