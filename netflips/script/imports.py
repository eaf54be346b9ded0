"""What a script says of utterances and speakers, in the forms that `--segments-in` and `--speaker-map` have: rows and names."""

from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.texts import read_json
from netflips.script.files import file_beside, other_files, read_script
from netflips.script.types import FORMAT, KeptOriginal, Script, SpokenSound, UnitsGiven, VoiceFile, WrittenText

AskedTarget = SpokenSound | UnitsGiven | KeptOriginal
"""Targets that are said as a script has them, without text or translation."""


def is_script(content: object) -> bool:
    """Return whether a JSON object is a script of some version."""
    return isinstance(content, dict) and str(content.get("format", "")).startswith(FORMAT.rstrip("0123456789"))


def _is_script_file(path: Path) -> bool:
    return path.suffix.lower() == ".json" and is_script(read_json(path, "the script"))


def segment_rows(path: Path) -> list[dict[str, Any]]:
    """The utterances of a script as `--segments-in` has them: times, and texts that a person wrote. Raises InputError."""
    rows = []
    for one in read_script(path).utterances:
        if one.place is None:
            raise InputError(f"utterance {one.number} has no place", path=path, expected='"place": {"start_s": 1.5, "end_s": 4.25}')
        row: dict[str, Any] = {"start_s": one.place.start_s, "end_s": one.place.end_s}
        if one.text is not None and one.text.by in ("person", "subtitles"):
            row["source_text"] = one.text.text
        if isinstance(one.target, WrittenText) and one.target.by != "cascade":
            row["target_text"] = one.target.text
        rows.append(row)
    return rows


def targets_asked(path: Path) -> dict[int, AskedTarget]:
    """Return what a script wants said without text or translation, by the number of the utterance: speech, units, or the original.

    Nothing of a file of another kind. Raises InputError, also for speech that is not beside the script.
    """
    if not _is_script_file(path):
        return {}
    targets = {one.number: one.target for one in read_script(path).utterances}
    asked = {number: one for number, one in targets.items() if isinstance(one, AskedTarget)}
    for one in asked.values():
        if isinstance(one, SpokenSound):
            file_beside(path, one.file)
    return asked


def digest_in(path: Path) -> str:
    """Return the digest of the file that a script was made of; "" where it says none, or is a file of another kind."""
    if not _is_script_file(path):
        return ""
    media = read_script(path).media
    return "" if media is None else media.digest


def other_files_of(path: Path) -> list[str]:
    """Return the names of files that hold something else than when a script was made; none of a file of another kind."""
    return other_files(path) if _is_script_file(path) else []


def speakers_told(path: Path) -> tuple[dict[int, str], dict[str, tuple[Path | None, str | int]]]:
    """Return who says each utterance, by number, and voice (None = their own) and face of each. Raises InputError."""
    script: Script = read_script(path)
    names = {one.number: one.speaker for one in script.utterances if one.speaker}
    voices = {one.name: file_beside(path, one.voice.file) for one in script.speakers if isinstance(one.voice, VoiceFile)}
    return names, {one.name: (voices.get(one.name), one.face) for one in script.speakers}
