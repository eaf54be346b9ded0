"""Prepare LRS2 or LRS3; see avdata/prepare/prepare_lrs.py and docs/data.md."""

import sys

from avdata.prepare.prepare_lrs import main

if __name__ == "__main__":
    sys.exit(main())
