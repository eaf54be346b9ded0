"""Label files: their fields, and the spoken form of their transcripts."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from avcore.data.prepare.sources import CorpusFile
from avcore.errors import InputError
from avcore.texts import parse_json

NOTHING_SAID = "its text has marks of a transcriber, and no words"
_MOST_SHOWN = 40
_LONGEST_VALUE = 24
_TWO_FORMS = re.compile(r"\(([^()]*)\)\s*/\s*\(([^()]*)\)")
_NOT_SPELT_OUT = re.compile("[0-9A-Za-z%$]")
_HANGUL = re.compile("[가-힣]")
_NOISES = re.compile(r"(?<![A-Za-z0-9가-힣/])(?:[bnolu]/)+(?![A-Za-z0-9])")
_FILLER = re.compile(r"(?<=[가-힣])/(?=[\s.,?!)]|$)")
_SLIP = re.compile(r"(?<=[가-힣?!.,])[+*]+|(?<!\S)[+*]+(?=[가-힣\s]|$)")
_BEFORE_MARK = re.compile(r"\s+(?=[.,?!](?:\s|$))")


def spoken_form(text: str) -> str:
    """Return a transcript as it is spoken, without the marks of AIHub's transcribers; "" if it only had marks.

    Of `(spelling)/(pronunciation)`, such as `(70%)/(칠십 퍼센트)`, the pronunciation is kept. Some corpora have the two the other
    way round: if only the first is all in words, it is kept. Removed from Korean text are noises (b/ breath, n/ noise, o/ others,
    l/ laughter, u/ not understood), the slash behind a filler (아/), and + and * behind a repeated or unclear word.
    """
    clean = _TWO_FORMS.sub(lambda forms: forms[1] if _is_said(forms[1]) and not _is_said(forms[2]) else forms[2], text)
    bare = _NOISES.sub(" ", clean)
    if not _HANGUL.search(clean) and bare.strip(" .,?!+*"):
        return clean
    return " ".join(_BEFORE_MARK.sub("", _SLIP.sub("", _FILLER.sub("", bare))).split())


def _is_said(form: str) -> bool:
    return not _NOT_SPELT_OUT.search(form)


def read_label_file(file: CorpusFile) -> Any:
    """Return the content of a label file. Raises InputError if it is no JSON."""
    try:
        return parse_json(file.read_text())
    except ValueError as error:
        raise InputError("this is no JSON", path=str(file), found=error) from error


def describe_fields(content: Any) -> str:
    """Describe the fields of parsed JSON: paths and the beginning of values, at most 40 fields; of lists only the first item."""
    return "; ".join(islice(_fields(content, ""), _MOST_SHOWN)) or "nothing"


def field_at(content: Any, path: str) -> Any:
    """Return the value at a path with dots, such as `speaker.id`; "" is the whole content. Returns None if there is none."""
    for name in filter(None, path.split(".")):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def deeper_paths(content: Any, path: str) -> list[str]:
    """Return the path of the only field with the last name of `path`, if it lies deeper than `path`; otherwise []."""
    name = path.rpartition(".")[2]
    found = list(_paths_of(content, name, "")) if path else []
    return found if len(found) == 1 and found[0].count(".") > path.count(".") else []


def _paths_of(content: Any, name: str, place: str) -> Iterator[str]:
    for key, value in content.items() if isinstance(content, Mapping) else ():
        inner = f"{place}.{key}" if place else str(key)
        if key == name:
            yield inner
        else:
            yield from _paths_of(value, name, inner)


def _fields(content: Any, place: str) -> Iterator[str]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _fields(value, f"{place}.{name}" if place else str(name))
    elif isinstance(content, list):
        yield f"{place or 'the file'} = a list of {len(content)}"
        if content:
            yield from _fields(content[0], f"{place}[0]")
    else:
        text = repr(content)
        yield f"{place} = {text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '...'}"
