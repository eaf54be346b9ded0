"""What an avatar answers: patterns of questions with their answers, of which the one nearest to the transcript is used.

    fallback: 잘 못 들었어요. 다시 한번 말씀해 주세요.
    refused: 그 말씀에는 대답할 수 없어요.
    slots:
      place: [the bank | 은행, the park | 공원]
    replies:
      - ask: ["How do I get to {place}?", "Where is {place}?"]
        say: "{place}까지 십 분 걸려요."

A slot is filled with the text before the bar in a question, and with that behind the bar in an answer and in a question in Hangul.
Where a particle depends on the word before it, both forms are written: (이/가).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from avcore.command import did_you_mean
from avcore.errors import InputError
from avcore.programs import run_program
from avcore.texts import read_yaml
from avcore.units import Ids, edit_distances
from netflips.dialogue.guards import names
from text2unit.normalise import is_syllable, with_particles
from text2unit.script import script_of

DEMO_REPLIES = Path(__file__).with_name("replies.yaml")
"""Answers to the questions of the demo's phrasebook."""
REFUSED = "그 말씀에는 대답할 수 없어요."
"""Spoken if a guard refuses a question or an answer, unless the replies have their own."""
PUZZLED = "미안해요, 다시 물어봐 주세요."
"""Spoken if a question is not understood, unless the replies have their own. The demo's voice speaks it correctly."""
_KEYS = ("fallback", "refused", "most_errors", "slots", "replies")
_MOST_ERRORS = 0.3
_MOST_QUESTIONS = 20_000
_SLOT = re.compile(r"\{(\w+)\}")


class Replier(Protocol):
    """Answers questions."""

    def reply(self, question: str) -> str:
        """Return the answer to a question. question: its transcript. Raises InputError if there is no answer."""


@dataclass(frozen=True, eq=False)
class _Question:
    """A question as it may be asked."""

    text: str
    """the question"""
    letters: Ids
    """its letters, int64 [L], by code point"""
    answer: str
    """the answer"""


class Replies:
    """A `Replier` by patterns: gives the answer of the question whose letters differ least from those of the transcript."""

    def __init__(
        self, questions: Sequence[tuple[str, str]], fallback: str, refused: str = REFUSED, most_errors: float = _MOST_ERRORS
    ):
        """questions: each with its answer. fallback: answer to all others. refused: spoken in place of what a guard refuses.
        most_errors: share of letters that may differ between question and transcript; beyond it the fallback is the answer."""
        self._questions = [_Question(text, _numbered(text), answer) for text, answer in questions]
        self.fallback, self.refused, self._most_errors = fallback, refused, most_errors

    @classmethod
    def read(cls, path: Path) -> "Replies":
        """Read a file of replies. Raises InputError that names an entry that cannot be used, or a text that cannot be spoken."""
        content = read_yaml(path, "the replies")
        if not isinstance(content, dict) or not {"fallback", "replies"} <= set(content):
            raise InputError("these are no replies", path=path, expected="fallback and replies", found=_kinds(content))
        for key in content:
            if key not in _KEYS:
                hint = did_you_mean(str(key), _KEYS) or None
                raise InputError("the replies have an unknown entry", path=path, expected=", ".join(_KEYS), found=key, hint=hint)

        rows = content.get("slots") or {}
        if not isinstance(rows, dict):
            raise InputError("the slots of the replies are none", path=path, expected="names with lists", found=_kinds(rows))
        slots = {
            str(name): [_pair(one, str(name), path) for one in _texts(row, f"slot {name}", path)] for name, row in rows.items()
        }
        questions = [pair for number, row in _rows(content["replies"], path) for pair in _filled(row, slots, number, path)]
        if len(questions) > _MOST_QUESTIONS:
            raise InputError("the replies fill to too many questions", path=path, expected=_MOST_QUESTIONS, found=len(questions))

        texts = {name: content.get(name, REFUSED) for name in ("fallback", "refused")}
        for name, text in texts.items():
            _require_sayable(text, name, path)
        most = content.get("most_errors", _MOST_ERRORS)
        if isinstance(most, bool) or not isinstance(most, int | float) or not 0 <= most <= 1:
            raise InputError("most_errors of the replies is no share", path=path, expected="0 to 1", found=most)
        return cls(questions, texts["fallback"], texts["refused"], float(most))

    def reply(self, question: str) -> str:
        """See `Replier.reply`; the fallback answers questions that are not understood."""
        return self.nearest(question)[1] or self.fallback

    def nearest(self, question: str) -> tuple[str, str]:
        """Return the question that is nearest to a transcript, and its answer; two empty texts if none is near enough."""
        letters = _numbered(question)
        if not len(letters):
            return "", ""

        distances = edit_distances(letters, [one.letters for one in self._questions])
        # Of the longer text, so that a share is never above 1.
        shares = distances / np.array([max(len(one.letters), len(letters)) for one in self._questions])
        best = int(shares.argmin())
        return (self._questions[best].text, self._questions[best].answer) if shares[best] <= self._most_errors else ("", "")


_CONTRACT: type[Replier] = Replies
"""Checked by mypy: the class keeps the protocol."""


def _numbered(text: str) -> Ids:
    return np.array([ord(letter) for letter in names(text)], dtype=np.int64)


def _pair(text: str, slot: str, path: Path) -> tuple[str, str]:
    asked, bar, answer = (part.strip() for part in text.partition("|"))
    if not asked or (bar and not answer):
        raise InputError(
            f"a filling of slot {slot} cannot be used", path=path, expected='as "the bank | 은행"', found=repr(text[:40])
        )
    return asked, answer or asked


def _rows(content: Any, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if not isinstance(content, list) or not content:
        raise InputError("the replies are no list", path=path, expected="ask and say, one or more", found=_kinds(content))
    for number, row in enumerate(content, 1):
        if not isinstance(row, dict) or set(row) != {"ask", "say"} or not isinstance(row["say"], str):
            raise InputError(f"reply {number} cannot be used", path=path, expected="ask and say", found=_kinds(row))
        yield number, row


def _filled(
    row: Mapping[str, Any], slots: Mapping[str, Sequence[tuple[str, str]]], number: int, path: Path
) -> Iterator[tuple[str, str]]:
    """Yield all questions of a reply, each with its answer. The first answer is checked for text that cannot be spoken.

    row: the reply, `ask` and `say`. slots: fillings by name, as texts of question and answer. number: of the reply, from 1.
    """
    say, is_first = row["say"], True
    for ask in _texts(row["ask"], f"reply {number}", path):
        used = list(dict.fromkeys(_SLOT.findall(ask)))
        if missing := [name for name in used if name not in slots] or [name for name in _SLOT.findall(say) if name not in used]:
            raise InputError(f"reply {number} has a slot that nothing fills", path=path, found=missing[0])
        # Counted before they are made: a few slots with many fillings would never end.
        if prod(len(slots[name]) for name in used) > _MOST_QUESTIONS:
            raise InputError(f"reply {number} fills to too many questions", path=path, expected=_MOST_QUESTIONS, found=ask)

        is_korean = any(map(is_syllable, ask))
        for fillings in product(*(slots[name] for name in used)):
            asked, in_korean = (
                {name: pair[side] for name, pair in zip(used, fillings, strict=True)} for side in (int(is_korean), 1)
            )
            question, answer = (_put(text, filled, number, path) for text, filled in ((ask, asked), (say, in_korean)))
            if is_first:
                _require_sayable(answer, f"reply {number}", path)
            is_first = False
            yield question, answer


def _put(text: str, fillings: Mapping[str, str], number: int, path: Path) -> str:
    """Return a pattern with its slots filled and its particles chosen."""
    filled = _SLOT.sub(lambda found: fillings[found[1]], text)
    try:
        return with_particles(filled)
    except InputError as error:
        raise InputError(f"reply {number} of the replies: {error.what}", path=path, found=repr(filled[:40])) from error


def _texts(value: Any, what: str, path: Path) -> list[str]:
    """Return the texts of a value, which is one text or a list. Raises InputError if there is none, or one has no letters."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and names(text) for text in texts):
        raise InputError(
            f"{what} of the replies has no text", path=path, expected="a sentence, or a list of them", found=_kinds(value)
        )
    return texts


def _require_sayable(text: Any, what: str, path: Path) -> None:
    if not isinstance(text, str):
        raise InputError(f"{what} of the replies is no text", path=path, expected="a sentence", found=_kinds(text))
    try:
        script_of(text)
    except InputError as error:
        raise InputError(
            f"{what} of the replies: {error.what}", path=path, expected=error.expected, found=error.found, hint=error.hint
        ) from error


def _kinds(value: Any) -> str:
    return f"only {', '.join(map(str, value))}" if isinstance(value, dict) else f"a {type(value).__name__}"


_MOST_BYTES = 16 << 10
"""Size of an answer: some ten minutes of speech."""
_FLAG = "--reply-command"


class Program:
    """A `Replier` that runs a program for each question."""

    def __init__(self, command: Sequence[str], limit_s: float) -> None:
        """command: the program's command line, by words, run without a shell. limit_s: seconds in which it must answer."""
        self._command, self._limit_s = tuple(command), limit_s

    def reply(self, question: str) -> str:
        """Return what the program prints for a question. Raises InputError if it fails, prints nothing or too much, or takes too
        long."""
        what, hint = f"the program of {_FLAG}", "make it quicker, or give --reply-seconds"
        content = run_program(self._command, self._limit_s, what, f"{question}\n", _MOST_BYTES, hint)

        try:
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise self._failed("an answer that is no UTF-8") from error
        if not text:
            raise self._failed("no answer", "let it print what is to be said")
        return text

    def _failed(self, found: str, hint: str | None = None) -> InputError:
        return InputError(f"the program of {_FLAG} did not answer", path=self._command[0], found=found, hint=hint)
