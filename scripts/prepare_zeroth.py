"""Prepare Zeroth Korean (OpenSLR 40); see avcore/data/prepare/zeroth.py and docs/data.md."""

import sys

from avcore.data.prepare.zeroth import main

if __name__ == "__main__":
    sys.exit(main())
