"""Prepare LRS2 or LRS3; see avdata/prepare/lrs.py and docs/data.md."""

import sys

from avdata.prepare.lrs import main

if __name__ == "__main__":
    sys.exit(main())
