"""Prepare Zeroth Korean (OpenSLR 40); see avdata/prepare/zeroth.py and docs/data.md."""

import sys

from avdata.prepare.zeroth import main

if __name__ == "__main__":
    sys.exit(main())
