"""Dub a video: speech and lips to units, units to units, units to speech and lips. See `--help`."""

import sys

from avcore.loading import loading

if __name__ == "__main__":
    with loading():
        from netflips.commands.dub import main
    words = sys.argv[1:]
    # AV2AV's program dubs whatever it is given, so this one goes on where speech is not understood.
    goes_on = [] if "--strict" in words else ["--yes"]
    sys.exit(main([*goes_on, *words], prog="inference_av2av.py"))
