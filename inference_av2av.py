"""Dub a video: speech and lips to units, units to units, units to speech and lips. See `--help`."""

from avcore.loading import leave, loading

if __name__ == "__main__":
    with loading():
        from netflips.dub.command import main
    leave(main(prog="inference_av2av.py"))
