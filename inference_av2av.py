"""Dub a video: speech and lips to units, units to units, units to speech and lips. See `--help`."""

import sys

from netflips.dub_command import main

if __name__ == "__main__":
    sys.exit(main(prog="inference_av2av.py"))
