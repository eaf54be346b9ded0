"""Prepare LRS2 or LRS3; see avcore/data/prepare/lrs.py and docs/data.md."""

import sys

from avcore.data.prepare.lrs import main

if __name__ == "__main__":
    sys.exit(main())
