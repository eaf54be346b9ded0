"""Prepare a folder of talking-head videos; see avdata/prepare/video.py and docs/data.md."""

import sys

from avdata.prepare.video import main

if __name__ == "__main__":
    sys.exit(main())
