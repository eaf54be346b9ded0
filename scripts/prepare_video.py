"""Prepare a folder of talking-head videos; see avcore/data/prepare/video.py and docs/data.md."""

import sys

from avcore.data.prepare.video import main

if __name__ == "__main__":
    sys.exit(main())
