"""Divide and join utterances of a script, and rename speakers: for `netflips script` and the page.

What a person wrote stays with its utterance. What the models found (units, faces, a translation, the fit) is dropped and found
again.
"""

from dataclasses import replace
from itertools import pairwise

from avcore.contracts import Word
from avcore.errors import Message, UsageError
from avcore.timeline import Interval
from netflips.script.targets import KeptOriginal, SpokenSound, Target, Text, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance

LEAST_S = 0.2
"""The shortest utterance in seconds."""


def split(script: Script, number: int, at_s: float | None = None) -> Script:
    """Return the script with an utterance divided in two.

    at_s: where, in seconds of the media; None = at the longest pause between its words, or in its middle. Raises UsageError for an
    unknown utterance, and for a time outside of it.
    """
    utterance = _utterance(script, number)
    place = utterance.place
    at = at_s
    if at is None:
        words = () if utterance.text is None else utterance.text.words
        pauses = [(after.start_s - word.end_s, (after.start_s + word.end_s) / 2) for word, after in pairwise(words)]
        length, middle = max(pauses, default=(0.0, 0.0))
        at = place.start_s + (middle if length > 0 else place.seconds / 2)

    if not place.start_s + LEAST_S <= at <= place.end_s - LEAST_S:
        expected = Message(
            "a time between {start} and {end} s", start=f"{place.start_s + LEAST_S:.2f}", end=f"{place.end_s - LEAST_S:.2f}"
        )
        raise UsageError(
            Message("utterance {number} cannot be divided there", number=number), expected=expected, found=f"{at:.2f} s"
        )

    spans = Interval(place.start_s, at), Interval(at, place.end_s)
    share = (at - place.start_s) / place.seconds
    texts = (None, None) if utterance.text is None else _parts_of(utterance.text, at - place.start_s, share)
    targets = _targets(utterance.target, at - place.start_s, share)
    both = zip(spans, texts, targets, strict=True)
    parts = (Utterance(0, span, utterance.speaker, text=text, target=target) for span, text, target in both)
    return _numbered(script, (*script.utterances[: number - 1], *parts, *script.utterances[number:]))


def join(script: Script, number: int) -> Script:
    """Return the script with an utterance and the next joined, spoken by the speaker of the first.

    Raises UsageError if one of them does not exist.
    """
    utterance, other = _utterance(script, number), _utterance(script, number + 1)
    text = None
    if utterance.text is not None and other.text is not None:
        later = other.place.start_s - utterance.place.start_s
        moved = (word._replace(start_s=word.start_s + later, end_s=word.end_s + later) for word in other.text.words)
        words = (*utterance.text.words, *moved) if utterance.text.words and other.text.words else ()
        text = replace(utterance.text, text=_joined(utterance.text.text, other.text.text), words=words)

    span = Interval(utterance.place.start_s, max(utterance.place.end_s, other.place.end_s))
    made = Utterance(0, span, utterance.speaker, text=text, target=_target(utterance, other))
    return _numbered(script, (*script.utterances[: number - 1], made, *script.utterances[number + 1 :]))


def rename(script: Script, name: str, to: str) -> Script:
    """Return the script with a speaker renamed. The name of another speaker joins the two, with the settings of the other.

    Raises UsageError for a speaker without utterances.
    """
    names = dict.fromkeys(utterance.speaker for utterance in script.utterances)
    if name not in names:
        raise UsageError("nobody of this name speaks", expected=", ".join(names), found=name)
    utterances = tuple(
        replace(utterance, speaker=to) if utterance.speaker == name else utterance for utterance in script.utterances
    )
    known = any(speaker.name == to for speaker in script.speakers)
    speakers = tuple(
        replace(speaker, name=to) if speaker.name == name else speaker
        for speaker in script.speakers
        if not known or speaker.name != name
    )
    return replace(script, utterances=utterances, speakers=speakers)


def _utterance(script: Script, number: int) -> Utterance:
    if not 1 <= number <= len(script.utterances):
        raise UsageError("there is no such utterance", expected=f"1 to {len(script.utterances)}", found=number)
    return script.utterances[number - 1]


def _numbered(script: Script, utterances: tuple[Utterance, ...]) -> Script:
    numbered = tuple(replace(utterance, number=number) for number, utterance in enumerate(utterances, 1))
    return replace(script, utterances=numbered, quality=None, made=None)


def _parts_of(text: Text, after_s: float, share: float) -> tuple[Text, Text]:
    """Divide a text at a time of its utterance: by the times of its words, or else at a share of its letters."""
    # If a person changed the text, the times are still those of its old words.
    if not text.words or text.is_by_person:
        before, behind = _cut(text.text, share)
        return replace(text, text=before, words=()), replace(text, text=behind, words=())

    first = tuple(word for word in text.words if (word.start_s + word.end_s) / 2 < after_s)
    rest = (Word(word.text, word.start_s - after_s, word.end_s - after_s, word.confidence) for word in text.words[len(first) :])
    second = tuple(word._replace(start_s=max(word.start_s, 0.0)) for word in rest)
    return (
        replace(text, text=" ".join(word.text for word in first), words=first),
        replace(text, text=" ".join(word.text for word in second), words=second),
    )


def _targets(target: Target | None, after_s: float, share: float) -> tuple[Target | None, Target | None]:
    """Return the targets of both parts; None for what no person wrote or gave."""
    if isinstance(target, KeptOriginal):
        before, behind = _cut(target.text, share)
        return KeptOriginal(before), KeptOriginal(behind)
    if isinstance(target, SpokenSound):
        middle = target.from_s + after_s
        if target.to_s is not None and middle >= target.to_s:
            return target, None
        return replace(target, to_s=middle, reading=None), replace(target, from_s=middle, reading=None)
    if isinstance(target, WrittenText) and not target.is_translated:
        before, behind = _cut(target.text, share)
        return (WrittenText(before) if before else None), (WrittenText(behind) if behind else None)
    return None, None


def _target(utterance: Utterance, other: Utterance) -> Target | None:
    """Return the target of two joined utterances; None unless a person wrote or gave one of theirs."""
    first, second = utterance.target, other.target
    if isinstance(first, KeptOriginal) and isinstance(second, KeptOriginal):
        return KeptOriginal(_joined(first.text, second.text))
    if isinstance(first, SpokenSound) and isinstance(second, SpokenSound) and first.file == second.file:
        return replace(first, to_s=second.to_s, reading=None)
    if any(isinstance(target, WrittenText) and not target.is_translated for target in (first, second)):
        texts = [text.text for text in (utterance.spoken, other.spoken) if text is not None]
        return WrittenText(_joined(*texts))
    return None


def _cut(text: str, share: float) -> tuple[str, str]:
    """Divide a text between two words, as near as possible to a share of its letters."""
    words = text.split()
    ends = [sum(map(len, words[:place])) for place in range(len(words) + 1)]
    place = min(range(len(ends)), key=lambda one: abs(ends[one] - share * ends[-1]))
    return " ".join(words[:place]), " ".join(words[place:])


def _joined(*texts: str) -> str:
    return " ".join(text.strip() for text in texts if text.strip())


# The command
