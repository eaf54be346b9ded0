"""Prepare GRID; see avdata/prepare/prepare_grid.py and docs/data.md."""

import sys

from avdata.prepare.prepare_grid import main

if __name__ == "__main__":
    sys.exit(main())
