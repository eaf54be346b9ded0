"""Prepare a Kaldi folder; see avdata/prepare/kaldi.py and docs/data.md."""

import sys

from avdata.prepare.kaldi import main

if __name__ == "__main__":
    sys.exit(main())
