"""A web page to dub with: upload a video, read what was recognised, correct it, download the dub."""
