"""Prepare AIHub's Korean lip-reading video; see avcore/data/prepare/aihub_lips.py and docs/data.md."""

import sys

from avcore.data.prepare.aihub_lips import main

if __name__ == "__main__":
    sys.exit(main())
