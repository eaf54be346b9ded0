"""The paper's results beside ours: `python -m recipes.av2av.table exp/av2av/es`.

Reads metrics.json in each folder CONDITION/MODALITIES/RECOGNIZER of run.sh, and counts the kinds of video of the clips.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.files import write_text
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.notes import print_text
from avcore.texts import read_json
from avdata.manifest import read_manifest

PUBLISHED = {"es": (26.57, 0.35), "fr": (31.27, 0.31), "it": (23.24, 0.37), "pt": (24.51, 0.30)}
"""ASR-BLEU and speaker cosine of AV2AV from a language into English on MuAViC, second-hand: as quoted in MAVFlow's tables."""
_BLEU, _COSINE = "asr_bleu_13a", "speaker_cosine"
_DASH = "-"


@dataclass(frozen=True, kw_only=True)
class TableOptions(QuietOptions):
    """Write table.md of a language."""

    folder: Path = positional("DIR")
    """of run.sh, for one language"""
    source: str = flag(default="", metavar="LANG")
    """the language, for the paper's row (default: the folder's name)"""


def table(folder: Path, source: str) -> str:
    """Return the table of a language as Markdown. Raises InputError where nothing was measured."""
    found = sorted(folder.glob("*/*/*/metrics.json"))
    if not found:
        raise InputError("nothing was measured yet", path=folder, expected="CONDITION/MODALITIES/RECOGNIZER/metrics.json")

    bleu, cosine = PUBLISHED.get(source, (None, None))
    lines = ["| | condition | given | recognizer | ASR-BLEU | speaker cosine | n |", "| --- | --- | --- | --- | --- | --- | --- |"]
    lines.append(f"| AV2AV, as quoted by MAVFlow | clean | sound and lips | not known | {bleu or _DASH} | {cosine or _DASH} | |")
    lines += (_row(path, folder) for path in found)
    return "\n".join([*lines, "", *_video_kinds(folder)]) + "\n"


def _row(path: Path, folder: Path) -> str:
    condition, given, recognizer, _ = path.relative_to(folder).parts
    figures = {one["figure"]: one for one in read_json(path, "the figures")["rows"] if one["subject"] == "dub"}
    shown = [_figure(figures.get(name)) for name in (_BLEU, _COSINE)]
    count = figures.get(_BLEU, {}).get("n", 0)
    return f"| ours | {condition} | {given} | {recognizer} | {shown[0]} | {shown[1]} | {count} |"


def _figure(found: dict[str, Any] | None) -> str:
    if found is None or "value" not in found:
        return _DASH
    return f"{found['value']:.2f}" + (f" [{found['low']:.2f}, {found['high']:.2f}]" if "low" in found else "")


def _video_kinds(folder: Path) -> Iterator[str]:
    path = folder / "data" / "manifest.jsonl"
    if path.is_file():
        kinds = Counter(str(one.extra.get("video_kind")) for one in read_manifest(path).entries)
        yield "Video: " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) + "."


def _work(options: TableOptions) -> None:
    text = table(options.folder, options.source or options.folder.resolve().name)
    write_text(options.folder / "table.md", text)
    print_text(text)


_COMMAND = Command(TableOptions, "table", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
