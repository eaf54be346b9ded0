"""Prepare Zeroth Korean (OpenSLR 40); see netflips/corpora/prepare_zeroth.py and docs/data.md."""

import sys

from netflips.corpora.prepare_zeroth import main

if __name__ == "__main__":
    sys.exit(main())
