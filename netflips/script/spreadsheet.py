"""A script as a table for spreadsheets, a row for each utterance, and the texts that somebody corrected there."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import get_args

from avcore.errors import InputError
from avcore.notes import sentence
from avcore.texts import read_foreign_text
from avcore.words import user_language
from netflips.quality_estimation import Words
from netflips.script.targets import KeptOriginal, Text, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance

CSV = ".csv"
COLUMNS = ("number", "start_s", "end_s", "speaker", "source", "target", "understood", "speed", "notes")
"""source, target: texts. understood: grade of the words. speed: of the new speech, above 1 = faster."""
_MARK = "\ufeff"
"""The byte order mark: without it, spreadsheets take UTF-8 for the encoding of the system."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is computed; one more apostrophe before it makes it text."""


def table_of(script: Script) -> str:
    """Return a script as the text of a CSV file with `COLUMNS`."""
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(COLUMNS)

    for one in script.utterances:
        texts = ["" if text is None else text.text for text in (one.text, one.spoken)]
        speed = "" if one.fit is None or one.fit.speed is None else f"{one.fit.speed:.2f}"
        notes = "; ".join(sentence(note, user_language(), hint=False) for note in one.notes)
        grade = "" if one.quality is None else one.quality.words
        place = f"{one.place.start_s:.3f}", f"{one.place.end_s:.3f}"
        rows.writerow([one.number, *place, *map(_cell, (one.speaker, *texts)), grade, speed, _cell(notes)])
    return _MARK + file.getvalue()


def with_table(script: Script, path: Path) -> Script:
    """Return the script with the speakers and texts of a table, as a spreadsheet saves it; rows and columns may be left out.

    A changed text is a person's; a target text that was deleted is translated anew. Raises InputError for a file that is no such
    table, and for a line that names no utterance of the script, one that has a line already, or has cells in the wrong columns.
    """
    text, _ = read_foreign_text(path, "the table")
    head = text.partition("\n")[0]
    # Where a comma is the decimal sign, spreadsheets write semicolons.
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count))
    utterances = {str(one.number): one for one in script.utterances}
    lines: dict[str, int] = {}
    try:
        if "number" not in (rows.fieldnames or ()):
            raise InputError("this is no table of a script", path=path, expected=", ".join(COLUMNS), found=head[:60])
        for row in rows:
            cells = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
            number = cells.get("number", "").lstrip("0")
            if not any(cells.values()):
                continue
            line = rows.line_num
            if number not in utterances:
                what, expected = f"line {line} names no utterance of the script", f"1 to {len(utterances)}"
                raise InputError(what, path=path, expected=expected, found=cells.get("number", "")[:40])
            if number in lines:
                what = f"line {line} is about utterance {number}, as line {lines[number]} is"
                raise InputError(what, path=path, expected="one line for each utterance")
            # A comma that divides a text moves what follows it, which nobody sees where the last cells are missing.
            if row.get(None) or cells.get("understood", "") not in ("", *get_args(Words)):
                what, hint = f"line {line} has cells in the wrong columns", "put a text with a comma in double quotes"
                raise InputError(what, path=path, hint=hint)
            lines[number] = line
            utterances[number] = _corrected(utterances[number], cells, script.source)
    except csv.Error as error:
        raise InputError("this is no table of a script", path=path, found=error) from error
    return replace(script, utterances=tuple(utterances.values()))


def _corrected(one: Utterance, cells: dict[str, str], source: str) -> Utterance:
    """Return an utterance with what was changed in its row."""
    texts = {"speaker": one.speaker, "source": one.text and one.text.text, "target": one.spoken and one.spoken.text}
    new = {
        name: spoken
        for name, old in texts.items()
        if name in cells and (spoken := _uncelled(cells[name])).split() != (old or "").split()
    }
    if "speaker" in new:
        one = replace(one, speaker=new["speaker"])
    if new.get("source"):
        # Words where none were recognized, as in a laugh, are translated.
        target = None if isinstance(one.target, KeptOriginal) and not texts["source"] else one.target
        one = replace(one, text=Text(new["source"], source), target=target)
    if "target" in new:
        one = replace(one, target=WrittenText(new["target"]) if new["target"] else None)
    return one


def _cell(text: str) -> str:
    text = text.strip()
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _uncelled(text: str) -> str:
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text
