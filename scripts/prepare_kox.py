"""Prepare AIHub Ko-X; see netflips/corpora/prepare_kox.py and docs/data.md."""

import sys

from netflips.corpora.prepare_kox import main

if __name__ == "__main__":
    sys.exit(main())
