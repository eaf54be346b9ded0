"""What an upload is, found out in a process of its own: whatever is wrong with the file, no server ends by it.

`python -m netflips.serve.preview FILE video|sound|media|picture|subtitles` prints one JSON object; of another kind of file
`{"error": "..."}`, exit 2.
"""

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avcore.command import COMPLAINT, Parser, run
from avcore.errors import MediaError
from avcore.files import require_file
from avcore.media import probe
from avcore.media.limits import require_no_still
from avcore.notes import ToldNote, noted_by
from avcore.plain_text import print_text

VIDEO, SOUND, MEDIA, PICTURE, SUBTITLES = WANTED = ("video", "sound", "media", "picture", "subtitles")
"""media: a video or a sound file, whichever."""
_LIMITS = {resource.RLIMIT_CPU: 120, resource.RLIMIT_AS: 8 << 30, resource.RLIMIT_CORE: 0}
"""Seconds of computing, bytes of memory; no file of a crash."""


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="look", description="Say what a file is, as JSON.")
    parser.add_argument("file", type=Path)
    parser.add_argument("wanted", choices=WANTED)
    return parser


def facts(path: Path, wanted: str) -> dict[str, Any]:
    """Length (s), size of the picture, whether there is sound. Raises InputError for a file that is not what is wanted."""
    require_file(path, "the upload")
    if wanted == PICTURE:
        from netflips.portrait.still import read_still

        height, width = read_still(path).shape[:2]
        return {"seconds": 0.0, "width": int(width), "height": int(height), "has_sound": False}
    if wanted == SUBTITLES:
        from netflips.script.imports import segment_rows
        from netflips.subtitles.given import read_subtitles

        if path.suffix == ".json":
            segment_rows(path)  # of a script that the page gave away, changed by its visitor
        else:
            read_subtitles(path)
        return {"seconds": 0.0, "width": 0, "height": 0, "has_sound": False}
    info = probe(path)
    if wanted == VIDEO and not info.has_video:
        raise MediaError("it has no picture", path=path, expected="a video")
    require_no_still(info.still, path)
    if wanted == SOUND and not info.has_audio:
        raise MediaError("it has no sound track", path=path, expected="a sound file, or a video with sound")
    return {"seconds": round(float(info.duration_s), 3), "width": info.width, "height": info.height, "has_sound": info.has_audio}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    for limit, value in _LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    with noted_by(_complain):
        return run(build_parser(), lambda options: print_text(json.dumps(facts(options.file, options.wanted))), argv)


def _complain(told: ToldNote) -> None:
    if told.note.code == COMPLAINT.code:
        print_text(json.dumps({"error": told.note.values["text"]}))


if __name__ == "__main__":
    sys.exit(main())
