"""Inspect an upload in a process of its own, so that no faulty file can end the server.

`python -m netflips.serve.preview FILE video|sound|media|image|subtitles` prints one JSON object; for a file of another kind the
parts of the error, with exit code 2. `wave` in place of a kind prints the loudness of the sound over time, which the page draws.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE, MediaError, NetflipsError
from avcore.files import require_file
from avcore.media import MediaInfo, iter_speech_blocks, probe
from avcore.media.opening import require_no_still
from avcore.notes import print_text
from avcore.timeline import SAMPLE_RATE

VIDEO, SOUND, MEDIA, IMAGE, SUBTITLES = ("video", "sound", "media", "image", "subtitles")
"""media: either a video or a sound file."""
WAVE = "wave"
_PEAK_S, _MOST_PEAKS = 0.02, 20_000
"""Seconds of sound that a peak stands for at least, and how many peaks there are at most."""
_LIMITS = {resource.RLIMIT_CPU: 120, resource.RLIMIT_AS: 8 << 30, resource.RLIMIT_CORE: 0}
"""Seconds of computing, bytes of memory; no core dump."""
_LOOKED_S = 30.0
"""Up to this length, a video is searched for a face and for speech."""


def facts(path: Path, wanted: str) -> dict[str, Any]:
    """Return length (s), size of the frame, and whether there is sound; for a video, also whether there are a face and speech.

    Raises InputError for a file of another kind than `wanted`.
    """
    require_file(path, "the upload")
    if wanted == IMAGE:
        from netflips.portraits.still import read_still

        height, width = read_still(path).shape[:2]
        return {"seconds": 0.0, "width": int(width), "height": int(height), "has_sound": False}

    if wanted == SUBTITLES:
        from netflips.script.files import read_script
        from netflips.subtitles.given import read_subtitles

        if path.suffix == ".json":
            read_script(path)  # a script that the visitor downloaded here and changed
        else:
            read_subtitles(path)
        return {"seconds": 0.0, "width": 0, "height": 0, "has_sound": False}

    info = probe(path)
    if wanted == WAVE:
        return {"seconds": float(info.duration_s), "peaks": _peaks(path, info)}
    if wanted == VIDEO and not info.has_video:
        raise MediaError("it has no video", path=path, expected="a video")
    require_no_still(info.still, path)
    if wanted == SOUND and not info.has_audio:
        raise MediaError("it has no sound track", path=path, expected="a sound file, or a video with sound")

    seen = _seen(path, info) if wanted in (VIDEO, MEDIA) else {}
    facts = {"seconds": round(float(info.duration_s), 3), "width": info.width, "height": info.height, "has_sound": info.has_audio}
    return facts | seen


def _peaks(path: Path, info: MediaInfo) -> list[int]:
    """Return how far the sound of a file departs from silence, in hundredths, for equal pieces of its time."""
    step = max(int(SAMPLE_RATE * max(_PEAK_S, float(info.duration_s) / _MOST_PEAKS)), 1)
    found, rest = list[int](), np.zeros(0, np.float32)
    for block in iter_speech_blocks(path) if info.has_audio else ():
        rest = np.concatenate((rest, np.abs(block)))
        whole = len(rest) // step * step
        found += np.rint(100 * rest[:whole].reshape(-1, step).max(axis=1)).astype(int).tolist()
        rest = rest[whole:]
    return found


def _seen(path: Path, info: MediaInfo) -> dict[str, bool]:
    """Return whether a short video has a face and speech; a longer one is not searched, because they may be anywhere.

    A sound has no face.
    """
    found = {"has_face": info.has_video, "has_speech": info.has_audio}
    if float(info.duration_s) > _LOOKED_S:
        return found
    from avcore.media.tracks import select_tracks, shows_face

    source = select_tracks(path)  # of several tracks, those that a dub will read
    found["has_face"] = info.has_video and shows_face(source)
    if info.has_audio:
        from avcore.speech.voice_activity import detect_activity

        found["has_speech"] = bool(detect_activity(iter_speech_blocks(source)).regions())
    return found


def main(path: str, wanted: str) -> int:
    """Inspect a file within the limits and return the exit code."""
    for limit, value in _LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        # A process may lower its hard limit, and never raise it.
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

    try:
        print_text(json.dumps(facts(Path(path), wanted)))
    except NetflipsError as error:
        print_text(json.dumps(error.as_json()))
        return EXIT_BAD_INPUT
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
