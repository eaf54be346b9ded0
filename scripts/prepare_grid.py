"""Prepare GRID; see avdata/prepare/grid.py and docs/data.md."""

import sys

from avdata.prepare.grid import main

if __name__ == "__main__":
    sys.exit(main())
