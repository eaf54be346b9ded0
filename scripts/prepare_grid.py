"""Prepare GRID; see avcore/data/prepare/grid.py and docs/data.md."""

import sys

from avcore.data.prepare.grid import main

if __name__ == "__main__":
    sys.exit(main())
