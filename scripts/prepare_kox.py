"""Prepare AIHub Ko-X; see avcore/data/prepare/kox.py and docs/data.md."""

import sys

from avcore.data.prepare.kox import main

if __name__ == "__main__":
    sys.exit(main())
