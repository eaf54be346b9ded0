"""The paper's results beside ours, a row for each direction: `python -m recipes.av2av.table exp/av2av`.

Reads metrics.json in each folder DIRECTION/CONDITION/MODALITIES/RECOGNIZER of run.sh, and counts the kinds of video of the clips.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.data.manifest import read_manifest
from avcore.errors import InputError
from avcore.files import Output, write_text
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.notes import print_text
from avcore.texts import read_json
from recipes.demo.evaluate.documents import replace_part

PUBLISHED = {"es-en": (26.57, 0.35), "fr-en": (31.27, 0.31), "it-en": (23.24, 0.37), "pt-en": (24.51, 0.30)}
"""ASR-BLEU and speaker cosine of AV2AV on MuAViC, sound and lips, clean; second-hand: as quoted in MAVFlow's tables."""
DIRECTIONS = (*PUBLISHED, "en-es", "en-fr", "en-it", "en-pt")
_GIVEN = {"audio,video": "sound and lips", "audio": "sound"}
_FIGURES = ("asr_bleu_13a", "speaker_cosine", "lse_c_published", "lse_d_published")
_HEAD = (
    "direction",
    "condition",
    "given",
    "AV2AV: ASR-BLEU, cosine",
    "ours, by",
    "ASR-BLEU",
    "speaker cosine",
    "LSE-C",
    "LSE-D",
    "n",
)
_PART, _USUAL = "av2av", "audio,video"


@dataclass(frozen=True, kw_only=True)
class TableOptions(QuietOptions):
    """Write table.md of all directions. A direction that was not run yet has an empty row."""

    folder: Path = positional("DIR")
    """of run.sh"""
    into: Path | None = flag(default=None, file=Output("the page"), metavar="FILE")
    """put the table into this page, too, between its markers"""


def table(folder: Path) -> str:
    """Return the table as Markdown. Raises InputError where nothing was measured."""
    found = sorted(folder.glob("*-*/*/*/*/metrics.json"))
    if not found:
        raise InputError("nothing was measured yet", path=folder, expected="es-en/clean/audio/RECOGNIZER/metrics.json")
    return empty_table([_row(path) for path in found]) + "\n".join(["", *_video_kinds(folder)]) + "\n"


def empty_table(rows: list[list[str]] | None = None) -> str:
    """Return the table with the rows that there are, and an empty one for each direction and kind of input without one."""
    rows = list(rows or ())
    there = {(row[0], row[2]) for row in rows}
    rows += [
        [direction, "clean", given, _paper(direction, "clean", key), *[""] * 6]
        for direction in DIRECTIONS
        for key, given in _GIVEN.items()
        if (direction, given) not in there
    ]
    places = {direction: place for place, direction in enumerate(DIRECTIONS)}
    rows.sort(key=lambda row: places.get(row[0], len(places)))
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _paper(direction: str, condition: str, given: str) -> str:
    is_published = direction in PUBLISHED and (condition, given) == ("clean", _USUAL)
    return "{}, {}".format(*PUBLISHED[direction]) if is_published else ""


def _row(path: Path) -> list[str]:
    direction, condition, given, recognizer, _ = path.parts[-5:]
    figures = {one["figure"]: one for one in read_json(path, "the figures")["rows"] if one["subject"] == "dub"}
    count = str(figures.get(_FIGURES[0], {}).get("n", 0))
    shown = [_figure(figures.get(name)) for name in _FIGURES]
    return [direction, condition, _GIVEN.get(given, given), _paper(direction, condition, given), recognizer, *shown, count]


def _figure(found: dict[str, Any] | None) -> str:
    if found is None or "value" not in found:
        return ""
    return f"{found['value']:.2f}" + (f" [{found['low']:.2f}, {found['high']:.2f}]" if "low" in found else "")


def _video_kinds(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*-*/data/manifest.jsonl")):
        kinds = Counter(str(entry.extra.get("video_kind")) for entry in read_manifest(path).entries)
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        yield f"Video of {path.parts[-3]}: {counts}."


def _work(options: TableOptions) -> None:
    text = table(options.folder)
    write_text(options.folder / "table.md", text)
    if options.into is not None:
        replace_part(options.into, _PART, f"\n{text}\n")
    print_text(text)


_COMMAND = Command(TableOptions, "table", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
