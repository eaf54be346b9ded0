"""What a user wants to be said in an utterance, as text: `target_text` in the file that `--segments-in` takes, or subtitles.

    {"utterances": [{"start_s": 1.5, "end_s": 4.25}, {"start_s": 5.0, "end_s": 7.5, "target_text": "두 번째 문장입니다."}]}

Such an utterance is not translated but spelt, and spoken in its slot like the others. `--segments` writes what a translation says
as `target_text` and as `translated_text`: as long as both are the same, nobody changed it and the utterance stays translated.
Texts of subtitles in the target's letters are target texts, those in the source's letters are source texts; of subtitles in both
languages each line is one or the other.
"""

import unicodedata
from pathlib import Path
from typing import Any

from avcore.contracts import Speller, Voice
from avcore.errors import InputError
from avcore.notes import Note
from avcore.texts import read_json
from avcore.units import Units
from netflips.script.imports import is_script, segment_rows
from netflips.script.notes import ONLY_TIMES, SHOWN_ONLY, TEXTS_LEFT_OUT
from netflips.subtitles.dubbed import SOURCE, TARGET
from netflips.subtitles.given import is_subtitles, read_subtitles
from text2unit.cleaning import clean_text, left_out_note
from text2unit.script import script_of

SOURCE_TEXT, TARGET_TEXT, TRANSLATED_TEXT = "source_text", "target_text", "translated_text"
_WHAT = "the utterance times"


def read_target_texts(path: Path, language: str, source: str = "", is_spelt: bool = True) -> dict[int, str]:
    """Return the texts to be said in a language, by the number of the utterance, from 1; none where the file holds times alone.

    source: the language that is heard. is_spelt: the text-to-unit model says them, not a program that reads by itself.

    They are read aloud once, so that what cannot be said is found before any work is done. Raises InputError naming the entry, and
    LanguageError for a language that has no text front end.
    """
    rows = _rows(path, source, language).items()
    found = {number: row[TARGET_TEXT] for number, row in rows if row.get(TARGET_TEXT) and not _is_translated(row)}
    for number, text in found.items():
        if is_spelt:
            _require_text(path, number, text, language)
        else:
            _require_string(path, number, text, TARGET_TEXT)
    return {number: " ".join(clean_text(text).text.split()) for number, text in found.items()}


def read_source_texts(path: Path, language: str = "", target: str = "") -> dict[int, str]:
    """Return what is said in the original, as the user wrote it, by the number of the utterance, from 1: over text, that is
    translated.

    language: of the original; target: of the dub.

    Raises InputError naming the entry.
    """
    found = {number: row[SOURCE_TEXT] for number, row in _rows(path, language, target).items() if row.get(SOURCE_TEXT)}
    for number, text in found.items():
        _require_string(path, number, text, SOURCE_TEXT)
    return found


def told_notes(path: Path, duration_s: float, source: str, target: str, is_over_text: bool) -> list[Note]:
    """Return what to tell a user of the file: what was put right in it, and what is not said. Raises InputError as the readers
    do.

    is_over_text: source texts are translated.
    """
    if is_subtitles(path):
        given = read_subtitles(path, source, target)
        is_strange = not given.side and any(one.text for one in given.cues)
        strange = ONLY_TIMES(name=path.name, source=source, target=target) if is_strange else None
        shown = SHOWN_ONLY(name=path.name) if given.side == SOURCE and not is_over_text else None
        return [note for note in (given.within(duration_s).note, strange, shown) if note is not None]
    texts = [row.get(TARGET_TEXT) for row in _rows(path, source, target).values() if not _is_translated(row)]
    left_out = [one for text in texts if isinstance(text, str) for one in clean_text(text).left_out]
    return [TEXTS_LEFT_OUT(name=path.name, **left_out_note(left_out).values)] if left_out else []


def _rows(path: Path, source: str, target: str) -> dict[int, dict[str, Any]]:
    """Return the entries that are objects, by the number of the utterance; none where the file holds times alone."""
    if is_subtitles(path):
        given = read_subtitles(path, source, target) if path.is_file() else None
        name = {SOURCE: SOURCE_TEXT, TARGET: TARGET_TEXT}.get("" if given is None else given.side)
        rows = () if name is None or given is None else enumerate(given.cues, 1)
        return {number: {**({SOURCE_TEXT: one.heard} if one.heard else {}), name or "": one.text} for number, one in rows}
    content = read_json(path, _WHAT)
    rows = segment_rows(path) if is_script(content) else content.get("utterances") if isinstance(content, dict) else content
    return {number: row for number, row in enumerate(rows or [], 1) if isinstance(row, dict)}


def _is_translated(row: dict[str, Any]) -> bool:
    """Return whether the text is what a translation was read as, and nobody changed it."""
    texts = row.get(TARGET_TEXT), row.get(TRANSLATED_TEXT)
    said, translated = (unicodedata.normalize("NFC", text).split() if isinstance(text, str) else None for text in texts)
    return said is not None and said == translated


def _require_string(path: Path, number: int, text: Any, name: str) -> None:
    if not isinstance(text, str):
        raise InputError(f"{name} of entry {number} is no text", path=path, expected="a sentence", found=type(text).__name__)


def _require_text(path: Path, number: int, text: Any, language: str) -> None:
    _require_string(path, number, text, TARGET_TEXT)
    try:
        script_of(text, language)
    except InputError as error:
        what = f"{TARGET_TEXT} of entry {number}: {error.what}"
        raise InputError(what, path=path, expected=error.expected, found=error.found, hint=error.hint) from error


def natural_units(text: str, language: str, speller: Speller, voice: Voice) -> Units:
    """Units of a text with the durations that it has when nothing hurries it: what is placed in an utterance's slot.

    Raises what `units_of` raises.
    """
    units = speller.units_of(text, language)
    return voice.predict_durations(units) if units.durations is None else units
