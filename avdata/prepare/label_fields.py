"""What a label file holds: its fields, and its transcripts in the form in which they are spoken."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

_MOST_SHOWN = 40
_LONGEST_VALUE = 24
_TWO_FORMS = re.compile(r"\(([^()]*)\)\s*/\s*\(([^()]*)\)")
_NOT_SPELT_OUT = re.compile("[0-9A-Za-z%$]")


def spoken_form(text: str) -> str:
    """A transcript as it is said: of `(spelling)/(pronunciation)`, as AIHub writes `(70%)/(칠십 퍼센트)`, the pronunciation.

    Some corpora have the two the other way round; the one that is all in words is the pronunciation then.
    """
    return _TWO_FORMS.sub(lambda forms: forms[1] if _is_said(forms[1]) and not _is_said(forms[2]) else forms[2], text)


def _is_said(form: str) -> bool:
    return not _NOT_SPELT_OUT.search(form)


def describe_fields(content: Any) -> str:
    """The fields of parsed JSON by their paths, with the beginning of their values; of lists the first item."""
    return "; ".join(islice(_fields(content, ""), _MOST_SHOWN)) or "nothing"


def field_at(content: Any, path: str) -> Any:
    """What stands at a path with dots, as `speaker.id`; "" is the whole, None = nothing is there."""
    for name in filter(None, path.split(".")):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


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
