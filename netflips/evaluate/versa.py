"""A bridge to VERSA (Shi et al. 2024), whose hundred measures need packages of their own: clips as it reads them, and its answers
as rows of the table, with intervals like all others.

    netflips evaluate dubs clips.jsonl --versa versa          # writes versa/pred.scp, versa/gt.scp and versa/text
    versa-score --pred versa/pred.scp --gt versa/gt.scp --text versa/text --io soundfile --output_file versa/result.jsonl ...
    netflips evaluate dubs clips.jsonl --versa versa          # has the rows of versa/result.jsonl, too
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.files import write_text
from avcore.journal import file_digest
from avcore.media import read_speech, write_speech
from avcore.progress import Progress, track
from avcore.texts import read_text
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import DUBBED, CaseFiles
from netflips.evaluate.metric import FigureKind
from netflips.evaluate.suite_rows import Cell, Row, row_name

RESULT = "result.jsonl"
_DIGITS, _SHOWN = 16, 80
_FORM = 'a line a clip, {"key": ID, NAME: NUMBER, ...}, with an id of the manifest'


def write_for_versa(cases: Sequence[CaseFiles], folder: Path, progress: Progress) -> None:
    """Write the sound of dubs, and of references, else sources, as WAV at 16 kHz, and the lists that name them by id.

    What was written before is taken again. Raises NetflipsError for a file that cannot be read.
    """
    lists: dict[str, list[str]] = {"pred.scp": [], "gt.scp": [], "text": []}
    for case in track(cases, "sound for VERSA", progress, len(cases)):
        beside = case.reference or case.source
        for name, path in (("pred.scp", case.dub), *([] if beside is None else [("gt.scp", beside)])):
            sound = folder / "sound" / f"{file_digest(path)[:_DIGITS]}.wav"
            if not sound.is_file():
                write_speech(sound, read_speech(path))
            lists[name].append(f"{_key(case)} {sound.resolve()}")
        if case.reference_text:
            lists["text"].append(f"{_key(case)} {case.reference_text}")
    for name, lines in lists.items():
        if lines:
            write_text(folder / name, "\n".join(lines) + "\n")


def _key(case: CaseFiles) -> str:
    """A case's id as VERSA's lists can have it: without blanks."""
    return "_".join(case.id.split())


def rows_of_versa(cases: Sequence[CaseFiles], folder: Path) -> list[Row]:
    """Return a row for each number that VERSA's answers have; none where it was not run. Which way is better, they do not say.

    Raises InputError for lines that are not its.
    """
    path = folder / RESULT
    if not path.is_file():
        return []
    by_key, found = {_key(case): case for case in cases}, dict[tuple[str, str], dict[str, float]]()
    for number, line in _lines(path):
        case = by_key.get(str(line.get("key")))
        if case is None:
            found_key = str(line.get("key", "no key"))[:_SHOWN]
            raise InputError(f"line {number} is of no clip", path=path, expected=_FORM, found=found_key)
        for name, value in line.items():
            if is_number(value):
                found.setdefault((case.group, name), {})[case.id] = float(value)
    ids = {group: [case.id for case in cases if case.group == group] for group, _ in found}
    return [_row(group, name, values, ids[group]) for (group, name), values in found.items()]


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield numbered lines; Python writes NaN, which JSON does not have."""
    for number, text in enumerate(read_text(path, "the answers of VERSA").splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise InputError(f"line {number} is no JSON object", path=path, expected=_FORM, found=text[:_SHOWN])
        yield number, line


def is_number(value: Any) -> bool:
    """Say whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _row(group: str, name: str, values: dict[str, float], tried: list[str]) -> Row:
    kind = FigureKind(name, f"VERSA: {name}", "near", "VERSA", "which way is better, its pages say")
    absent = len(tried) - len(values)
    reasons = {"VERSA has none": absent} if absent else {}
    cell = Cell(ByClip(values).figure, reasons=reasons, clips=values, tried=tried)
    return Row(row_name(group, f"versa_{name}"), "versa", kind, {DUBBED: cell}, group=group)
