"""Prepare a folder of talking-head videos; see netflips/corpora/prepare_video.py and docs/data.md."""

import sys

from netflips.corpora.prepare_video import main

if __name__ == "__main__":
    sys.exit(main())
