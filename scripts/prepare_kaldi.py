"""Prepare a Kaldi folder; see avdata/prepare/prepare_kaldi.py and docs/data.md."""

import sys

from avdata.prepare.prepare_kaldi import main

if __name__ == "__main__":
    sys.exit(main())
