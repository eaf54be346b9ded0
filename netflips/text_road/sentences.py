"""A text cut into sentences, which is what text translators learnt to translate: of several at once they leave some out."""

import re
from collections.abc import Iterator

_WIDE = "\u3002\uff01\uff1f"
"""The full stop, exclamation and question mark of Chinese and Japanese, behind which there is no blank."""
_END = re.compile(rf"(?<=[.!?\u2026{_WIDE}])[\"'\u201d\u2019\xbb)\]]*\s+|(?<=[{_WIDE}])")
_SHORT = frozenset(("mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "jr", "sr", "u.s", "u.k", "a.m", "p.m"))
"""Words after whose full stop a sentence goes on."""


def sentences_of(text: str) -> list[str]:
    """The sentences of a text in order, without blanks around them; a line ends one. Nothing is lost but blanks."""
    return [sentence for line in text.splitlines() for sentence in _cut(line)]


def _cut(line: str) -> Iterator[str]:
    begin = 0
    for end in _END.finditer(line):
        piece, rest = line[begin : end.end()].strip(), line[end.end() :].lstrip()
        if piece and rest and not _goes_on(piece, rest):
            yield piece
            begin = end.end()
    if last := line[begin:].strip():
        yield last


def _goes_on(piece: str, rest: str) -> bool:
    if not piece.endswith("."):
        return False
    word = piece.split()[-1][:-1].lower()
    return word in _SHORT or (len(word) == 1 and word.isalpha()) or rest[0].islower()
