"""Recognize the speech of a recording (transcript, recognizer) in windows of neighbouring stretches, independent of its utterances.

Windows depend on the sound alone, so nothing is recognized again when an utterance is divided, joined or corrected. Utterances
get their words by the words' times.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import SpeechRecognizer, Transcript, Word, of_words
from avcore.errors import NoSpeechError
from avcore.files import private_folder
from avcore.media import MediaSource, iter_speech_blocks
from avcore.timeline import Interval
from netflips.dubbing.laughs import EDGE_S, is_no_words, middle_of, plain, without_laughs
from netflips.dubbing.segmentation import cut_stretch
from netflips.dubbing.sound import Sound, stored_sound
from netflips.recognizers.language import (
    LEAST_S,
    LONGEST,
    UNSURE,
    Candidate,
    in_another,
    is_clearly,
    is_doubtful,
    main_language,
    spoken_in,
)
from netflips.recognizers.windows import WINDOW_S, WindowPart, packed, recognized_together
from netflips.script.utterance import Utterance

_AROUND_S = 0.5
"""Sound that is recognized before and after each stretch of speech (s): longer pauses are shortened to twice that."""
_STRETCH_S = (2.0, WINDOW_S - 2 * _AROUND_S)
"""Shortest and longest stretch (s): a longer one is divided where it is quietest."""
_LEAST_LETTERS_A_SECOND = 2.0
"""A stretch with fewer letters was skipped in its window, and is recognized by itself: people speak 10 to 20."""
_HARDLY, _SHORT_S = 0.45, 4.0
"""Below this mean confidence a stretch up to this length (s) may be hardly words. Whisper base transcribes synthetic laughs as
"Good luck, everyone" at 0.3, but short phrases in noise are as low ("In 1991" at 0.27)."""
_NEAR_S = 0.4
"""How far from the middle of a short pause the words of two utterances may be split (s): Whisper's times are not exact."""
_SENTENCE_END, _PHRASE_END = 0.6, 0.1
"""By how many seconds the end of a sentence, or of a phrase, counts as nearer."""


class Stretch(NamedTuple):
    """A stretch of speech and its transcript."""

    place: Interval
    text: Transcript
    """with times of the recording; empty where it is hardly words"""
    is_hardly_words: bool = False
    is_usual: bool = True
    """whether its window is clearly in the usual language"""


class RecognizedText(NamedTuple):
    """The transcript of an utterance."""

    text: Transcript
    """with times from the utterance's beginning"""
    is_hardly_words: bool = False


@dataclass(eq=False)
class RecognizedSpeech:
    """The speech of a recording, recognized window by window on demand and remembered."""

    sound: Sound
    recognizer: SpeechRecognizer
    """keeps its transcripts where work is kept"""
    language: str = ""
    """the spoken language; "": it is detected"""
    is_final: bool = False
    """whether the user named the language: no stretch is in another one then"""
    is_strange: Callable[[Interval], bool] = lambda _: False
    """returns whether the voice of a stretch speaks little elsewhere: with a low confidence besides, the stretch is a laugh"""
    windows: dict[int, list[Stretch]] = field(default_factory=dict)
    """windows that were recognized, by the index of their first stretch"""
    left_out: set[int] = field(default_factory=set)
    """indices of stretches in another language"""

    @cached_property
    def places(self) -> list[Interval]:
        """The stretches of speech, in order, each short enough for a window."""
        quietest = self.sound.activity.quietest_s
        return [piece for region in self.sound.regions for piece in cut_stretch(region, _STRETCH_S, quietest)]

    @cached_property
    def usual(self) -> str:
        """The language of most of the speech: the one that was asked for, unless the longest windows are clearly in another."""
        if len(self.recognizer.languages) == 1:
            return self.recognizer.languages[0]

        def seconds(pack: range) -> float:
            return sum(self._extents[k].seconds for k in pack)

        longest = sorted(self._packs, key=seconds, reverse=True)[:LONGEST]
        return main_language(self.recognizer, (self._joined(pack) for pack in longest), self.language)

    def between(self, start_s: float, end_s: float) -> list[Stretch]:
        """Return the stretches of all windows that overlap a time of the recording (s)."""
        packs = [pack for pack in self._packs if self._reaches(pack, start_s, end_s)]
        for pack in packs:
            if pack.start not in self.windows:
                self.windows[pack.start] = self._recognized(pack)
        return [one for pack in packs for one in self.windows[pack.start]]

    def transcripts_in(self, utterances: Sequence[Interval], numbers: Iterable[int]) -> Iterator[tuple[int, RecognizedText]]:
        """Yield the transcripts of some utterances in the language of the recording, each with its index among all."""
        for number in numbers:
            place = utterances[number]
            own = [one for one in self.between(*place) if one.place.shared_s(place) > 0]
            if not own:  # no speech was detected, but the user's script has an utterance here
                text = self._alone(place)
                is_hardly = self._is_hardly_words(text, place)
                yield number, RecognizedText(Transcript("", text.language), True) if is_hardly else RecognizedText(text)
                continue
            text = self._words_of(utterances, number)
            yield number, RecognizedText(text, not text.text and all(one.is_hardly_words for one in own))

    def texts(
        self, utterances: Sequence[Interval], numbers: Iterable[int], report: Callable[[int], None]
    ) -> dict[int, RecognizedText]:
        """Return the texts of some utterances, each in its own language, by their index among all. report: called with the number
        of those that are done."""
        found = dict[int, RecognizedText]()
        for number, text in self.transcripts_in(utterances, numbers):
            found[number] = text
            report(len(found))
        # A recognizer confuses two languages in one window. Windows hold no foreign utterance from here on, so that all others are
        # read again.
        foreign = self.in_another_language(utterances, found)
        if foreign:
            found |= self.transcripts_in(utterances, [number for number in found if number not in foreign])
        return found | {number: found[number]._replace(text=text) for number, text in foreign.items()}

    def known_in(self, utterances: Sequence[Interval], number: int) -> Transcript | None:
        """Return the transcript of an utterance if all of it was recognized already, else None."""
        packs = [pack for pack in self._packs if self._reaches(pack, *utterances[number])]
        is_known = bool(packs) and all(pack.start in self.windows for pack in packs)
        return self._words_of(utterances, number) if is_known else None

    def in_another_language(self, utterances: Sequence[Interval], texts: Mapping[int, RecognizedText]) -> dict[int, Transcript]:
        """Return the transcripts of utterances that are surely in another language than most, by their index among all.

        From then on their stretches are left out of the windows: in speech of two languages a recognizer skips one language, or
        puts words of the next sentence there.
        """
        found = list[Candidate]()
        for number, one in {} if self.is_final else texts.items():
            place = utterances[number]
            is_clear = not is_doubtful(one.text, place.seconds) and all(other.is_usual for other in self.between(*place))
            if place.seconds < LEAST_S or is_clear:
                continue

            speech = self.sound.between(*place)
            other = spoken_in(self.recognizer.languages_in(speech), self.recognizer.languages, self.usual)
            if other in ("", self.usual):  # "": no language is sure
                continue

            text = self.recognizer.transcribe(speech, other)
            if not text.has_loop:
                found.append(Candidate(number, place.seconds, text, self._alone(place).confidence))
        foreign = in_another(found)
        spans = [utterances[number] for number in foreign]
        for pack in self._packs:
            own = {k for k in pack if any(start <= sum(self.places[k]) / 2 < end for start, end in spans)}
            if own - self.left_out:  # the window is recognized again on demand
                self.left_out |= own
                self.windows.pop(pack.start, None)
        return foreign

    def sounding_foreign(self, utterances: Sequence[Interval], texts: Mapping[int, RecognizedText]) -> dict[int, tuple[str, float]]:
        """Return another language that doubtful utterances clearly sound like, with its probability, by their index among all.

        What the user named as the language is not detected; this only tells where it is hardly true.
        """
        found = dict[int, tuple[str, float]]()
        for number, one in texts.items():
            place = utterances[number]
            if place.seconds < LEAST_S or not one.text.words or not is_doubtful(one.text, place.seconds):
                continue
            likely = self.recognizer.languages_in(self.sound.between(*place))
            other = spoken_in(likely, self.recognizer.languages, self.language)
            if other not in ("", self.language):
                found[number] = other, likely[other]
        return found

    # Windows

    @cached_property
    def _extents(self) -> list[Interval]:
        """The span of sound that is recognized for each stretch: with some sound around it, up to the middle of a pause."""
        edges = [0.0, *(edge for place in self.places for edge in place), self.sound.activity.seconds]
        # The sound before the first stretch has no other neighbour, so it is not shared.
        return [
            Interval(
                start - min(_AROUND_S, (start - edges[2 * k]) / (2 if k else 1)), end + min(_AROUND_S, (edges[2 * k + 3] - end) / 2)
            )
            for k, (start, end) in enumerate(self.places)
        ]

    @cached_property
    def _packs(self) -> list[range]:
        pauses = [after.start_s - before.end_s for before, after in pairwise(self.places)]
        return packed([extent.seconds for extent in self._extents], [*pauses, 0.0])

    def _reaches(self, pack: range, start_s: float, end_s: float) -> bool:
        return self._extents[pack[0]].start_s < end_s and start_s < self._extents[pack[-1]].end_s

    def _pieces(self, pack: Iterable[int]) -> list[WindowPart]:
        return [WindowPart(self.sound.between(*self._extents[k]), self._extents[k].start_s) for k in pack]

    def _joined(self, pack: Iterable[int]) -> Samples:
        return np.concatenate([piece.samples for piece in self._pieces(pack)])

    def _recognized(self, window: range) -> list[Stretch]:
        """Recognize the stretches of a window together, and those that get hardly any words of it by themselves."""
        pack = [k for k in window if k not in self.left_out]
        pieces, is_usual = self._pieces(pack), True
        if not self.is_final:
            is_usual = is_clearly(self.recognizer.languages_in(self._joined(window)), self.usual)
        texts, settled = recognized_together(pieces, self._transcribe) if pieces else [], set[int]()

        for number, (k, piece) in enumerate(zip(pack, pieces, strict=True)):
            text, place = texts[number], self.places[k]
            letters = sum(map(str.isalnum, text.text))
            if text.has_loop or letters < _LEAST_LETTERS_A_SECOND * place.seconds:
                alone = self._transcribe(piece.samples).shifted(piece.start_s)
                # A recognizer may invent words for a short sound without context: those do not replace surer ones.
                if text.has_loop or alone.confidence >= max(text.confidence, UNSURE) or not text.text:
                    texts[number] = alone
                    settled.add(number)
                    if _take_from_neighbours(texts, number, settled):  # all of the one before: or was it said twice?
                        before = self._transcribe(pieces[number - 1].samples).shifted(pieces[number - 1].start_s)
                        texts[number - 1] = before if before.confidence >= UNSURE else texts[number - 1]

        found = list[Stretch]()
        by_place = dict(zip(pack, texts, strict=True))
        for k in window:
            text = by_place[k] if k in by_place else Transcript("", self.usual)
            if k in by_place and self._is_hardly_words(text, self.places[k]):
                found.append(Stretch(self.places[k], Transcript("", text.language), True, is_usual))
                continue
            parts = without_laughs(self.places[k], text, self.sound.activity, self._alone)
            found += (Stretch(place, said or Transcript("", text.language), said is None, is_usual) for place, said in parts)
        return found

    def hardly_words(self, utterances: Iterable[Utterance]) -> set[int]:
        """Return the numbers of the utterances in which hardly any words are recognized, such as laughs."""
        found = set[int]()
        for utterance in (utterance for utterance in utterances if utterance.text is None and utterance.target is None):
            start, end = utterance.place
            own = [other for other in self.between(start, end) if start <= sum(other.place) / 2 < end]
            if own and all(other.is_hardly_words for other in own):
                found.add(utterance.number)
        return found

    def _transcribe(self, speech: Samples) -> Transcript:
        language = self.language if self.is_final else self.usual
        return self.recognizer.transcribe(speech, language or None)

    def _alone(self, place: Interval) -> Transcript:
        """Return the transcript of a stretch of the recording by itself, with times from its beginning."""
        return self._transcribe(self.sound.between(*place))

    def _is_hardly_words(self, text: Transcript, place: Interval) -> bool:
        """Return whether a stretch of speech is hardly words.

        Its transcript is empty; or it is short, and either has no real words, or a very low confidence and a strange voice.
        """
        if text.has_loop:
            return False
        if not text.words or is_no_words(text.text):
            return not text.words or place.seconds <= _SHORT_S
        return place.seconds <= _SHORT_S and text.confidence < _HARDLY and self.is_strange(place)

    # Utterances

    def _words_of(self, utterances: Sequence[Interval], number: int) -> Transcript:
        start, end = utterances[number]
        first, last = (self._border(utterances, k) for k in (number - 1, number))
        first, last = max(first, start - _AROUND_S), min(last, end + _AROUND_S)
        near = self.between(start - _AROUND_S, end + _AROUND_S)

        def within(time_s: float) -> float:
            return min(max(time_s - start, 0.0), end - start)

        own = [
            word._replace(start_s=within(word.start_s), end_s=within(word.end_s))
            for stretch in near
            for word in stretch.text.words
            if first <= middle_of(word) < last
        ]

        has_loop = any(one.text.has_loop for one in near if start <= sum(one.place) / 2 < end)
        text = of_words(own, near[0].text.language if near else self.language)
        return Transcript(text.text, text.language, text.words, has_loop)

    def _border(self, utterances: Sequence[Interval], number: int) -> float:
        """Return the time that splits the words of an utterance from those of the next (s).

        It is the middle of the pause between them, or a place near it where the words pause and a sentence or a phrase ends.
        """
        if number < 0 or number + 1 >= len(utterances):
            return float("-inf") if number < 0 else float("inf")
        before, after = utterances[number][1], utterances[number + 1][0]
        middle = (before + after) / 2
        if after - before > 2 * _NEAR_S:
            return middle

        near = self.between(before - 2 * _AROUND_S, after + 2 * _AROUND_S)
        if any(one.is_hardly_words and min(abs(edge - middle) for edge in one.place) < EDGE_S for one in near):
            return middle  # on one side there are no words
        words = [word for stretch in near for word in stretch.text.words]
        close = list[tuple[float, Word, Word]]()
        for one, other in pairwise(words):
            away = abs((one.end_s + other.start_s) / 2 - middle)
            if away <= _NEAR_S:
                is_sentence = one.text.endswith((".", "?", "!", "\u3002", "\uff1f"))
                ends = _SENTENCE_END if is_sentence else _PHRASE_END if one.text.endswith(",") else 0.0
                close.append((away - ends - min(other.start_s - one.end_s, _NEAR_S) / 2, one, other))

        if not close:
            return middle
        _, one, other = min(close, key=lambda row: row[0])
        return (middle_of(one) + middle_of(other)) / 2


def spoken_language(source: MediaSource, recognizer: SpeechRecognizer) -> str:
    """Return the language of most of the longest windows of a recording, or the only one that the recognizer knows.

    Raises NoSpeechError where it cannot be recognized.
    """
    if len(recognizer.languages) == 1:
        return next(iter(recognizer.languages))

    with private_folder() as folder:
        found = RecognizedSpeech(stored_sound(iter_speech_blocks(source), folder / "sound.f32"), recognizer).usual
    if not found:
        raise NoSpeechError("its language cannot be told", path=source.path, hint="name it: --from en")
    return found


def _take_from_neighbours(texts: list[Transcript], number: int, settled: set[int]) -> bool:
    """Remove the words of a stretch from its neighbours, which got the same words because their times were not exact.

    settled: those that were recognized by themselves; if they have the same words, these were said twice. Returns whether the one
    before has no words any more.
    """
    is_emptied, own = False, [plain(word) for word in texts[number].words]
    for other, is_before in ((number - 1, True), (number + 1, False)):
        if not own or other in settled or not 0 <= other < len(texts):
            continue
        words = texts[other].words
        edge, rest = (words[-len(own) :], words[: -len(own)]) if is_before else (words[: len(own)], words[len(own) :])
        if [plain(word) for word in edge] == own:
            texts[other] = replace(of_words(rest, texts[other].language), has_loop=texts[other].has_loop)
            is_emptied |= is_before and not rest
    return is_emptied
