"""A script as a table for spreadsheets, a row for each utterance."""

import csv
import io

from avcore.notes import sentence
from avcore.words import user_language
from netflips.script.types import Script

CSV = ".csv"
COLUMNS = ("number", "start_s", "end_s", "speaker", "source", "target", "understood", "speed", "notes")
"""source, target: texts. understood: grade of the words. speed: of the new speech, above 1 = faster."""
_MARK = "\ufeff"
"""The byte order mark: without it, spreadsheets take UTF-8 for the encoding of the system."""
_FORMULA = ("=", "+", "-", "@")
"""A cell that begins so is computed; an apostrophe before it makes it text."""


def table_of(script: Script) -> str:
    """Return a script as the text of a CSV file with `COLUMNS`."""
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(COLUMNS)

    for utterance in script.utterances:
        texts = ("" if text is None else text.text for text in (utterance.text, utterance.spoken))
        speed = "" if utterance.fit is None or utterance.fit.speed is None else f"{utterance.fit.speed:.2f}"
        notes = "; ".join(sentence(note, user_language(), hint=False) for note in utterance.notes)
        grade = "" if utterance.quality is None else utterance.quality.words
        place = f"{utterance.place.start_s:.3f}", f"{utterance.place.end_s:.3f}"
        rows.writerow([utterance.number, *place, *map(_cell, (utterance.speaker, *texts)), grade, speed, _cell(notes)])
    return _MARK + file.getvalue()


def _cell(text: str) -> str:
    text = text.strip()
    return f"'{text}" if text.startswith(_FORMULA) else text
