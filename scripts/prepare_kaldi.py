"""Prepare a Kaldi folder; see avcore/data/prepare/kaldi.py and docs/data.md."""

import sys

from avcore.data.prepare.kaldi import main

if __name__ == "__main__":
    sys.exit(main())
