"""Dub a video: speech and lips to units, units to units, units to speech and lips. See `--help`."""

import sys

from avcore.loading import loading

if __name__ == "__main__":
    with loading():
        from netflips.dubbing.command import main
    sys.exit(main(prog="inference_av2av.py"))
