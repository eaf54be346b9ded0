"""Prepare AIHub Ko-X; see avdata/prepare/prepare_kox.py and docs/data.md."""

import sys

from avdata.prepare.prepare_kox import main

if __name__ == "__main__":
    sys.exit(main())
