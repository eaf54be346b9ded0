"""A web page to dub with: upload a video, read what was recognized, correct it, download the dub."""
