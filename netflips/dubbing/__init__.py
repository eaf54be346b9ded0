"""Dubbing: `dub.py` is the page; each of its steps has a file of its name, and fills in more of the script."""
