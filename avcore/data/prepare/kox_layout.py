"""Fields of the label files of AIHub Ko-X; the mapping is configs/data/kox.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

import msgspec

from avcore.data.prepare.label_fields import deeper_paths, describe_fields, field_at, read_label_file, spoken_form
from avcore.data.prepare.sources import CorpusFile
from avcore.errors import InputError, UsageError
from avcore.texts import read_yaml

_OURS = Path(__file__).with_name("kox.yaml")
_HANGUL = re.compile("[가-힣]")
_WORD = re.compile(r"[^\W\d_]+")
_CORPUS_NAME = re.compile(r"(?<![a-z])ko[-_ ]x(?![a-z])")
_DELIVERIES = ("ts", "vs", "tl", "vl")
"""First letters of AIHub's archives: T and V for training and validation, S and L for sources and labels."""
KOREAN, ENGLISH, OTHER = "ko", "en", "other"


@dataclass(frozen=True)
class KoxLayout:
    """Paths of fields and names of folders. configs/data/kox.yaml explains each field."""

    utterances: list[str] = field(default_factory=list)
    sound: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    translation: list[str] = field(default_factory=list)
    speaker: list[str] = field(default_factory=list)
    topic: list[str] = field(default_factory=list)
    english_ending: str = "_en"
    english_folders: list[str] = field(default_factory=list)
    korean_folders: list[str] = field(default_factory=list)
    other_folders: list[str] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)

    def language(self, file: CorpusFile) -> str:
        """Return `ko`, `en` or `other` by words in the names of folders and archive, innermost first, then in its own name.

        Returns "" if no name decides. A name with words of two languages does not.
        """
        for folder in reversed(file.folders):
            if found := self._language_of(_words(folder)):
                return found
        words = _words(file.stem)
        ends = [word for word in (words[:1] + words[-1:]) if self._language_of([word]) != OTHER]
        return ENGLISH if file.stem.endswith(self.english_ending) else self._language_of(ends)

    def without_language(self, stem: str) -> str:
        """Return a recording's name without words for Korean and English, such as `c_005_0001` for `en_c_005_0001`."""
        known = {*self.korean_folders, *self.english_folders}
        return "_".join(word for word in stem.split("_") if word.lower() not in known)

    def _language_of(self, words: list[str]) -> str:
        languages = ((KOREAN, self.korean_folders), (ENGLISH, self.english_folders), (OTHER, self.other_folders))
        found = [language for language, names in languages if any(word in names for word in words)]
        return found[0] if len(found) == 1 else ""

    def split(self, file: CorpusFile) -> str:
        """Return the split of a file by its folders, "" if they do not show it."""
        return next((split for name, split in self.splits.items() for folder in file.folders if name in folder), "")


@dataclass(frozen=True)
class KoxUtterance:
    """A labelled utterance. "" = there is none."""

    name: str
    """name of the recording, without its suffix"""
    text: str = ""
    """Korean"""
    translation: str = ""
    """English"""
    speaker: str = ""
    topic: str = ""


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without digits and signs. `TS_en_1` gives `ts` and `en`; `TSen1` gives `en`."""
    words = _WORD.findall(_CORPUS_NAME.sub(" ", name.lower()))
    return [word[2:] if word.startswith(_DELIVERIES) and len(word) > len("ts") else word for word in words]


def read_layout(path: Path | None = None) -> KoxLayout:
    """Read a layout. path: None = the one that comes with NetfLips. Raises UsageError for a yaml that does not fit.

    Fields that the yaml does not have get the defaults of `KoxLayout`.
    """
    path = path or _OURS
    content, known = read_yaml(path, "the layout"), [one.name for one in fields(KoxLayout)]
    unknown = [name for name in content if name not in known] if isinstance(content, dict) else []
    if unknown:
        raise UsageError(f"the layout has no {unknown[0]!r}", path=path, expected=", ".join(known))
    try:
        return msgspec.convert(content, KoxLayout)
    except msgspec.ValidationError as error:
        raise UsageError("the layout cannot be used", path=path, expected=", ".join(known), found=error) from error


def read_label(file: CorpusFile, layout: KoxLayout) -> list[KoxUtterance]:
    """Return the utterances of a label file; text "" if it only had marks of a transcriber.

    Raises InputError, which lists the fields of the file, if the layout does not fit.
    """
    content = read_label_file(file)
    found = _utterances(content, file, layout, layout.text)
    if not found or not all(_HANGUL.search(utterance.text) for utterance in found if utterance.text):
        raise InputError(
            "no Korean text is where configs/data/kox.yaml looks for it",
            path=str(file),
            expected=f"text (with Hangul) in one of {', '.join(layout.text)}",
            found=describe_fields(content),
            hint="put the names of the fields into a copy of configs/data/kox.yaml and give it with --layout",
        )
    return found


def read_english_label(file: CorpusFile, layout: KoxLayout) -> list[KoxUtterance]:
    """Return the utterances of a label of English recordings, with their text as `translation`; none if the layout does not fit.

    The text may be in a field for English texts, or in one for any text.
    """
    found = _utterances(read_label_file(file), file, layout, [*layout.translation, *layout.text])
    return [
        utterance
        if utterance.translation or _HANGUL.search(utterance.text)
        else replace(utterance, text="", translation=utterance.text)
        for utterance in found
    ]


def _utterances(content: Any, file: CorpusFile, layout: KoxLayout, texts: list[str]) -> list[KoxUtterance]:
    """Return the utterances at the first place that has a list of objects with texts, or one such object."""
    for path in layout.utterances:
        there = field_at(content, path)
        rows = there if isinstance(there, list) else [there]
        if rows and all(isinstance(row, Mapping) and _text(row, texts) for row in rows):
            return [_utterance(row, file, layout) for row in rows]
    return []


def _utterance(row: Mapping[str, Any], file: CorpusFile, layout: KoxLayout) -> KoxUtterance:
    name = PurePosixPath((_text(row, layout.sound) or file.stem).replace("\\", "/")).name
    stem = re.sub(r"\.\w{2,4}$", "", name)
    text, translation = (spoken_form(_text(row, paths)) for paths in (layout.text, layout.translation))
    return KoxUtterance(stem, text, translation, _text(row, layout.speaker), _text(row, layout.topic))


def _text(row: Mapping[str, Any], paths: list[str]) -> str:
    """Return the first of several fields that is text or an integer, in NFC, with single blanks; "" if there is none.

    A field may also lie deeper than its path if no other field has its name.
    """
    for path in (*paths, *(deeper for one in paths for deeper in deeper_paths(row, one))):
        value = field_at(row, path)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return " ".join(normalize("NFC", str(value)).split())
    return ""
