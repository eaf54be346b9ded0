"""`netflips evaluate listen`: one HTML file for a blind comparison of systems, which plays pairs and counts preferences.

Nobody who opens it sees which side is which: order and sides are drawn here. The intervals of the preference (Wilson 1927) are
computed here for all possible answers, so that the page only looks them up.
"""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import atomic_output, keep_apart
from avcore.notes import several
from avcore.statistics import share
from netflips.evaluate.cases import read_cases
from netflips.evaluate.command import ListenOptions
from netflips.evaluate.page import sound_data
from netflips.report import words

_ENDINGS = (".mp4", ".webm", ".mov", ".mkv", ".wav", ".flac", ".mp3", ".ogg", ".m4a")
_PLAYED = {".mp4": "video/mp4", ".webm": "video/webm"}
"""Videos that every browser plays; of other files, only the sound is played."""
_QUESTION = "Which of the two is better?"
_MOST_BYTES = 12_000_000
_POLICY = "default-src 'none'; script-src '{script}'; style-src 'unsafe-inline'; media-src data:; base-uri 'none'"


@dataclass(frozen=True)
class Pair:
    """Two systems' dubs of a clip."""

    clip: str
    """its id"""
    names: tuple[str, str]
    """of the two systems"""
    files: tuple[Path, Path]
    """the dubs, in the order of `names`"""
    swapped: bool
    """whether the second is shown first"""


def make_page(options: ListenOptions) -> None:
    """Write the page that compares two folders or manifests. Raises NetflipsError."""
    if options.number < 1:
        raise UsageError("--number must be 1 or more", found=options.number)

    sides = clips_to_hear(options.first), clips_to_hear(options.second)
    names = sorted(sides[0].keys() & sides[1].keys())
    if not names:
        raise InputError("the two have no clip in common", path=options.second, expected=f"names as in {options.first}")
    keep_apart({"--out": options.out}, {"a clip": [side[name] for side in sides for name in names]})

    rng = np.random.default_rng(0)
    chosen = [names[int(place)] for place in rng.permutation(len(names))[: options.number]]
    named = str(options.first), str(options.second)
    pairs = [
        Pair(name, named, (sides[0][name], sides[1][name]), bool(is_other))
        for name, is_other in zip(chosen, rng.integers(2, size=len(chosen)), strict=True)
    ]
    write_page(options.out, pairs, _QUESTION)
    LOG.info("%s: %s of %d", options.out, several(len(chosen), "pair"), len(names))


def write_page(out: Path, pairs: Sequence[Pair], question: str) -> None:
    """Write the page that plays pairs of any systems, in this order. Raises OutputError, MediaError."""
    shown = [{"clip": one.clip, "names": one.names, "swapped": one.swapped} for one in pairs]
    about = json.dumps({"pairs": shown, "intervals": intervals(len(pairs))}).replace(
        "<", "\\u003c"
    )  # nothing in it ends the script

    script = words.template_text("netflips.evaluate", "listen.js")
    page = words.environment_of("netflips.evaluate").get_template("listen.html").stream(
        policy=_POLICY.format(script=words.short_digest(script)), question=question, is_shown=_is_shown, data=_data,
        pairs=[one.files[::-1] if one.swapped else one.files for one in pairs], about=Markup(about), script=Markup(script),
    )  # fmt: skip

    with atomic_output(out) as temporary:
        page.dump(str(temporary), encoding="utf-8")  # streamed: one clip at a time is in memory


def clips_to_hear(given: Path) -> dict[str, Path]:
    """Return clips by name: files of a folder by their name without the ending (and without `_ko` and the like), dubs of a manifest
    by id.

    Raises InputError for a folder or manifest without clips.
    """
    if given.is_dir():
        found = {path.stem: path for path in sorted(given.iterdir()) if path.suffix.lower() in _ENDINGS}
        if not found:
            raise InputError("there are no clips in the folder", path=given, expected=f"files of {', '.join(_ENDINGS)}")
        return {re.sub(r"_[a-z]{2}$", "", stem): path for stem, path in found.items()}
    return {case.id: case.dub for case in read_cases(given)}


def intervals(most: int) -> list[list[tuple[float, float]]]:
    """Return the 95 % interval of k of n for all n up to `most`, at [n][k]."""
    found = [[share([number < right for number in range(n)]) for right in range(n + 1)] for n in range(1, most + 1)]
    return [[(0.0, 1.0)], *([(round(one.low, 3), round(one.high, 3)) for one in row] for row in found)]


def _is_shown(path: Path) -> bool:
    return path.suffix.lower() in _PLAYED and path.stat().st_size <= _MOST_BYTES


def _data(path: Path) -> str:
    """Return a clip as a data URI: a video as it is, or the beginning of its sound."""
    if _is_shown(path):
        return f"data:{_PLAYED[path.suffix.lower()]};base64," + b64encode(path.read_bytes()).decode("ascii")
    return sound_data(path)
