"""Scripts as JSON files with the name of their format. They are read strictly: a misspelt name is an error, not ignored."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from math import isfinite
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from unicodedata import normalize

import numpy as np

from avcore.errors import InputError, Message
from avcore.files import write_text
from avcore.journal import file_digest
from avcore.notes import json_text, report_note
from avcore.texts import read_json
from avcore.timeline import units_to_seconds
from netflips.script.notes import OLDER_SCRIPT
from netflips.script.older import OLDER, brought_over
from netflips.script.targets import TARGETS, GivenUnits, SpokenSound, Target, TranslatedUnits
from netflips.script.types import FORMAT, Script, VoiceFile
from netflips.script.utterance import Utterance

_WHAT = "the script"
_MOST_SHOWN = 60
_TEXTS = ("text", "of", "word", "spoken", "proposed")
"""Fields of text, which is brought into Unicode form NFC; names of files stay as they are."""
_INTEGERS = np.iinfo(np.int64)
_MOST_PLACES, _LEAST_MOST_S = 10.0, 10.0
"""Limits of speech from given units: a multiple of the length of its place, and the seconds that any place allows."""


def script_json(script: Script) -> dict[str, Any]:
    """Return a script as a JSON object; fields with their default values are left out."""
    return {"format": FORMAT, **_written(script)}


def write_script(path: Path, script: Script) -> None:
    """Write a script. Raises OutputError."""
    write_text(path, json_text(script_json(script), indent=1) + "\n")


def read_script(path: Path) -> Script:
    """Read a script that a person may have written. Results of an earlier dub (fit, checked, drawn, notes, made) are dropped.

    Raises InputError with the entry that cannot be used.
    """
    script = script_from(read_json(path, _WHAT), path)
    for utterance in script.utterances:
        for target in (utterance.target, *utterance.alternatives):
            _require_sayable(target, utterance, path)
    utterances = (replace(utterance, fit=None, checked=None, drawn=None, notes=()) for utterance in script.utterances)
    return replace(script, utterances=tuple(utterances), notes=(), made=None)


def script_from(content: Any, path: Path | None = None) -> Script:
    """Return a script from its JSON object, also of an older format. Its utterances are numbered in their order.

    Raises InputError for another format or version, and for a wrong name or value, with its place.
    """
    if not isinstance(content, Mapping) or content.get("format") not in (FORMAT, *OLDER):
        found = content.get("format") if isinstance(content, Mapping) else content
        raise InputError("this is no script that can be read", path=path, expected=f'"format": "{FORMAT}"', found=_shown(found))

    rest = {name: value for name, value in content.items() if name != "format"}
    if content["format"] in OLDER:
        rest = brought_over(content)
        report_note(OLDER_SCRIPT(format=content["format"]), path or "", is_once=True)
    script: Script = value_from(Script, rest, "script", path)
    numbered = (replace(utterance, number=number) for number, utterance in enumerate(script.utterances, 1))
    return replace(script, utterances=tuple(numbered))


def value_from(kind: Any, content: Any, place: str, path: Path | str | None = None) -> Any:
    """Return a value of a type, such as a dataclass, from its JSON. place: what messages call it.

    Raises InputError for a wrong name or value, with its place.
    """
    try:
        return _read(kind, content, place)
    except _NotThatError as error:
        raise InputError(
            Message("{name} cannot be used", name=error.place), path=path, expected=error.expected, found=_shown(error.found)
        ) from error


def file_beside(path: Path, name: str) -> Path:
    """Return the path of a file that a script names. It must lie in the script's folder or below it.

    Raises InputError for a path that leads elsewhere (absolute, with `..`, or over a link), and for a missing file.
    """
    # A script may come from any system: a name that is harmless here may lead out of the folder on Windows, so both rules hold.
    place = PurePosixPath(name)
    is_inside = (
        name and not place.is_absolute() and not PureWindowsPath(name).anchor and ".." not in place.parts and "\\" not in name
    )

    folder = path.parent
    if not is_inside or "\0" in name or any((folder / part).is_symlink() for part in (place, *place.parents)):
        expected = "a file of the script's own folder"
        raise InputError("the script names a file that it may not use", path=path, expected=expected, found=_shown(name))
    if not (folder / place).is_file():
        raise InputError("the script names a file that is not there", path=path, found=_shown(name))
    return folder / place


def require_own_files(script: Script, path: Path) -> list[Path]:
    """Return the files that a script names beside its media: voices and speech. Raises InputError as `file_beside` does."""
    voices = [speaker.voice.file for speaker in script.speakers if isinstance(speaker.voice, VoiceFile)]
    targets = (target for utterance in script.utterances for target in (utterance.target, *utterance.alternatives))
    return [file_beside(path, name) for name in [*voices, *(one.file for one in targets if isinstance(one, SpokenSound))]]


def other_files(script: Script, path: Path) -> list[str]:
    """Return the files that a script, read from `path`, names and whose content has changed since it was made.

    Raises InputError as `file_beside` does.
    """
    named: list[object] = [*(speaker.voice for speaker in script.speakers), *(utterance.target for utterance in script.utterances)]
    digests = {one.file: one.digest for one in named if isinstance(one, VoiceFile | SpokenSound) and one.digest}
    return [name for name, digest in digests.items() if file_digest(file_beside(path, name)) != digest]


def _require_sayable(target: Target | None, utterance: Utterance, path: Path) -> None:
    """Raise InputError for times and units of a target that cannot be spoken."""
    wrong: dict[str, tuple[str, object]] = {}
    if isinstance(target, SpokenSound):
        if target.from_s < 0:
            wrong["from_s"] = "0 or more", target.from_s
        if target.to_s is not None and target.to_s <= target.from_s:
            wrong["to_s"] = f"more than from_s, {target.from_s:g}", target.to_s

    if isinstance(target, GivenUnits | TranslatedUnits):
        ids, durations = target.units.ids, target.units.durations
        if min(ids, default=0) < 0:
            wrong["ids"] = "0 or more", min(ids)
        if durations is not None and (len(durations) != len(ids) or min(durations, default=1) < 1):
            wrong["durations"] = f"{len(ids)} of 1 or more", f"{len(durations)}, the least {min(durations, default=None)}"
        seconds = float(units_to_seconds(len(ids) if durations is None else sum(durations)))
        most_s = max(_MOST_PLACES * utterance.place.seconds, _LEAST_MOST_S)
        if not wrong and seconds > most_s:
            wrong["units"] = f"{most_s:g} s of speech at most", f"{seconds:,.1f} s"

    for name, (expected, found) in wrong.items():
        raise InputError(
            Message("{name} of utterance {number} cannot be used", name=name, number=utterance.number),
            path=path,
            expected=expected,
            found=found,
        )


# Writing


def _written(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return _named({name: getattr(value, name) for name in value._fields}, value._field_defaults)
    if is_dataclass(value):
        kind: Any = type(value)
        head = {"kind": kind.kind} if kind in TARGETS else {}
        return head | _named({field.name: getattr(value, field.name) for field in fields(value)}, _defaults(kind))
    if isinstance(value, tuple | list):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _written(one) for name, one in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _named(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _written(value) for name, value in values.items() if name not in defaults or value != defaults[name]}


@cache
def _defaults(kind: Any) -> dict[str, Any]:
    """Return the default values of a dataclass, by name."""
    found = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    return found | {field.name: field.default_factory() for field in fields(kind) if field.default_factory is not MISSING}


# Reading


class _NotThatError(Exception):
    """A wrong value. place: the path of names that leads to it from the script."""

    def __init__(self, place: str, expected: str, found: object) -> None:
        super().__init__(place)
        self.place, self.expected, self.found = place, expected, found


def _read(kind: Any, value: Any, place: str) -> Any:
    """Return a value of a type from its JSON. Raises _NotThatError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if kind == Target:
        return _target(value, place)
    if origin in (Union, UnionType):
        return _one_of(arguments, value, place)
    if origin is Literal:
        if value not in arguments:
            raise _NotThatError(place, ", ".join(repr(argument) for argument in arguments), value)
        return value
    if origin is tuple:
        return _items(arguments, value, place)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _NotThatError(place, "an object", value)
        return {name: _read(arguments[1], one, f"{place}.{name}") for name, one in value.items()}
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _object(kind, value, place)
    return _plain(kind, value, place)


def _target(value: Any, place: str) -> Target:
    """Return a target. Its kind is looked up first, so that an error in another field names that field."""
    kinds = {str(one.kind): one for one in TARGETS}
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or value["kind"] not in kinds:
        found = value.get("kind") if isinstance(value, dict) else value
        raise _NotThatError(f"{place}.kind", ", ".join(kinds), found)
    rest = {name: one for name, one in value.items() if name != "kind"}
    target: Target = _object(kinds[value["kind"]], rest, place)
    return target


def _one_of(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not NoneType)
    if set(kinds) == set(TARGETS):
        return _target(value, place)
    # If no plain kind fits, the value is read as the other kind, so that the error names the field that is wrong in it.
    plain = [kind for kind in kinds if kind in (str, int, float) and _fits(kind, value)]
    return _read((plain or [kind for kind in kinds if kind not in (str, int, float)] or list(kinds))[0], value, place)


def _items(kinds: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _NotThatError(place, "a list", value)
    if kinds[-1] is ...:
        return tuple(_read(kinds[0], one, f"{place}[{number}]") for number, one in enumerate(value))
    if len(value) != len(kinds):
        raise _NotThatError(place, f"{len(kinds)} entries", value)
    return tuple(_read(kind, one, f"{place}[{number}]") for number, (kind, one) in enumerate(zip(kinds, value, strict=True)))


def _object(kind: Any, value: Any, place: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict):
        raise _NotThatError(place, "an object", value)
    for name in value:
        if name not in hints:
            raise _NotThatError(f"{place}.{name}", ", ".join(hints), value[name])

    found = {name: _read(hints[name], one, f"{place}.{name}") for name, one in value.items()}
    try:
        return kind(**found)
    except TypeError as error:
        known = kind._field_defaults if hasattr(kind, "_fields") else _defaults(kind)
        lacking = [name for name in hints if name not in value and name not in known]
        raise _NotThatError(f"{place}.{lacking[0]}" if lacking else place, "a value", None) from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    names = set(kind._fields) if hasattr(kind, "_fields") else {field.name for field in fields(kind)}
    return {name: hint for name, hint in get_type_hints(kind).items() if name in names}


def _plain(kind: Any, value: Any, place: str) -> Any:
    if not _fits(kind, value):
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise _NotThatError(place, names.get(kind, str(kind)), value)
    if kind is str and place.rpartition(".")[2] in _TEXTS:
        return normalize("NFC", value)
    return float(value) if kind is float else value


def _fits(kind: Any, value: Any) -> bool:
    # In Python, a bool is an int; in a script, true is no number.
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and isfinite(value)
    return isinstance(value, kind) and (kind is not int or _INTEGERS.min <= value <= _INTEGERS.max)


def _shown(value: object) -> str:
    return json_text(value)[:_MOST_SHOWN]
