"""Where things stand in the label files of AIHub Ko-X; the mapping is configs/data/kox.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from avcore.errors import InputError
from avcore.files import require_file
from avcore.texts import parse_json
from avtrain.entry import CONFIG_FOLDER, read_config
from netflips.corpora.label_fields import describe_fields, field_at
from netflips.corpora.sources import CorpusFile

_CONFIG = "data/kox"
_HANGUL = re.compile("[가-힣]")


@dataclass(frozen=True)
class KoxLayout:
    """Paths of fields, and names of folders; configs/data/kox.yaml says what each is."""

    utterances: list[str] = field(default_factory=list)
    sound: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    translation: list[str] = field(default_factory=list)
    speaker: list[str] = field(default_factory=list)
    topic: list[str] = field(default_factory=list)
    english_ending: str = "_en"
    english_folders: list[str] = field(default_factory=list)
    korean_folders: list[str] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)

    def is_english(self, file: CorpusFile) -> bool:
        """Whether a recording is the English one, by its folders and its name; the innermost folder counts first."""
        for folder in reversed(file.folders):
            if folder.lower() in self.english_folders:
                return True
            if folder.lower() in self.korean_folders:
                return False
        return file.stem.endswith(self.english_ending)

    def split(self, file: CorpusFile) -> str:
        """The split a file belongs to, "" = its folders don't say."""
        return next((split for name, split in self.splits.items() for folder in file.folders if name in folder), "")


@dataclass(frozen=True)
class Utterance:
    """A label. name: of the recording, without its ending. text: Korean, translation: English, "" = there is none."""

    name: str
    text: str
    translation: str
    speaker: str
    topic: str


def read_layout(path: Path | None = None) -> KoxLayout:
    """Read a layout, None = the one that comes with NetfLips. Raises UsageError for a yaml that does not fit."""
    if path is None:
        return read_config(KoxLayout, _CONFIG, [], CONFIG_FOLDER)
    path = require_file(path, "the layout")
    return read_config(KoxLayout, path.stem, [], path.resolve().parent)


def read_label(file: CorpusFile, layout: KoxLayout) -> list[Utterance]:
    """The utterances of a label file. Raises InputError, with the fields that are there, when the layout does not fit it."""
    try:
        content = parse_json(file.read_text())
    except ValueError as error:
        raise InputError("this is no JSON", path=str(file), found=error) from error
    rows = _rows(content, layout)
    found = [_utterance(row, file, layout) for row in rows]
    if not rows or any(one is None for one in found):
        raise InputError(
            "no Korean text is where configs/data/kox.yaml looks for it", path=str(file),
            expected=f"text (with Hangul) in one of {', '.join(layout.text)}",
            found=describe_fields(content),
            hint="put the names of the fields into a copy of configs/data/kox.yaml and give it with --layout",
        )  # fmt: skip
    return [one for one in found if one is not None]


def _rows(content: Any, layout: KoxLayout) -> list[Any]:
    """The utterances of a file: the first place where there is a list of objects, or one object with a text."""
    for path in layout.utterances:
        there = field_at(content, path)
        rows = there if isinstance(there, list) else [there]
        if rows and all(isinstance(row, Mapping) and _text(row, layout.text) for row in rows):
            return rows
    return []


def _utterance(row: Mapping[str, Any], file: CorpusFile, layout: KoxLayout) -> Utterance | None:
    text = _text(row, layout.text)
    if not _HANGUL.search(text):
        return None
    name = _text(row, layout.sound) or file.stem
    stem = PurePosixPath(name.replace("\\", "/")).name
    stem = stem[: stem.rindex(".")] if re.search(r"\.\w{2,4}$", stem) else stem
    return Utterance(stem, text, _text(row, layout.translation), _text(row, layout.speaker), _text(row, layout.topic))


def _text(row: Mapping[str, Any], paths: list[str]) -> str:
    """The first of several fields that is text or a number, in NFC, blanks in one; "" = none is there."""
    for path in paths:
        value = field_at(row, path)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return " ".join(normalize("NFC", str(value)).split())
    return ""
