"""Prepare AIHub's Korean lip-reading video; see avdata/prepare/aihub_lips.py and docs/data.md."""

import sys

from avdata.prepare.aihub_lips import main

if __name__ == "__main__":
    sys.exit(main())
