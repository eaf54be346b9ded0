"""Prepare AIHub Ko-X; see avdata/prepare/kox.py and docs/data.md."""

import sys

from avdata.prepare.kox import main

if __name__ == "__main__":
    sys.exit(main())
