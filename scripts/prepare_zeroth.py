"""Prepare Zeroth Korean (OpenSLR 40); see avdata/prepare/prepare_zeroth.py and docs/data.md."""

import sys

from avdata.prepare.prepare_zeroth import main

if __name__ == "__main__":
    sys.exit(main())
