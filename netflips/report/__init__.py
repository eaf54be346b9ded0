"""Reports of a dub: a summary, the script as JSON, and a page (`page.py`)."""
