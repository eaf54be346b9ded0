"""Speech recognized in windows: words by their times, what a window passes over, other languages, and what is hardly words.

Each word is a constant that is its own sound, so that a stand-in for a recognizer can read it off again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.contracts import Transcript, Word
from avcore.speech.voice_activity import STEP_SAMPLES, SpeechActivity
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.dubbing.divide import around_wordless, split_at
from netflips.dubbing.recognize import RecognizedSpeech, RecognizedText
from netflips.dubbing.segmentation import cut_utterances
from netflips.dubbing.sound import Sound
from netflips.recognizers.windows import WindowPart, packed, recognized_together

_WORD_S = 0.3
_STEP = 0.002
"""How much louder the sound of each word of the vocabulary is than that of the one before."""


@dataclass
class Reader:
    """Reads words off their sound. late_s: its times are so much late. passed_over: words that it does not hear among others."""

    vocabulary: Sequence[str]
    late_s: float = 0.0
    late: Mapping[str, float] = field(default_factory=dict)
    """By how much each of some words is, in a window."""
    late_beside: str = ""
    """They are late only where this word is in the window, too."""
    passed_over: Sequence[str] = ()
    loops_from_s: float = float("inf")
    sure: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spoken: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """How probable languages are where the first word is one."""
    asked: list[tuple[float, str | None]] = field(default_factory=list)
    languages_asked: int = 0

    name = "reader"
    languages = ("en", "fr", "ja")

    def _runs(self, speech: np.ndarray) -> list[tuple[str, float, float]]:
        codes = np.round(speech / _STEP).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        return [
            (self.vocabulary[codes[a] - 1], a / SAMPLE_RATE, b / SAMPLE_RATE) for a, b in pairwise(edges) if b > a and codes[a] > 0
        ]

    def _late(self, word: str, seconds: float, said: Sequence[str]) -> float:
        is_late = seconds > 2 and (not self.late_beside or self.late_beside in said)
        return self.late_s + (self.late.get(word, 0.0) if is_late else 0.0)

    def transcribe(self, speech: np.ndarray, language: str | None = None) -> Transcript:
        seconds = len(speech) / SAMPLE_RATE
        self.asked.append((seconds, language))
        there = [text for text, _, _ in self._runs(speech)]
        runs = [run for run in self._runs(speech) if run[0] not in self.passed_over or seconds < 4]
        words = list[Word]()
        for text, *edges in runs:
            start, end = (min(max(edge + self._late(text, seconds, there), 0.0), seconds) for edge in edges)
            words.append(Word(text, start, end, self.sure.get((text, language or ""), 0.9)))
        words.sort(key=lambda word: word.start_s)
        return Transcript(
            " ".join(word.text for word in words), language or "", tuple(words), has_loop=seconds >= self.loops_from_s
        )

    def languages_in(self, speech: np.ndarray) -> Mapping[str, float]:
        self.languages_asked += 1
        return self.spoken.get(next(iter(self._runs(speech)), ("", 0, 0))[0], {"en": 1.0})


def _sound(path: Path, says: Sequence[str], vocabulary: Sequence[str], pause_s: float = 0.8) -> tuple[Sound, list[Interval]]:
    """Write sentences with pauses between them, and say where each of them is."""
    parts, places = [np.zeros(SAMPLE_RATE, np.float32)], list[Interval]()
    for sentence in says:
        start = sum(map(len, parts)) / SAMPLE_RATE
        codes = [vocabulary.index(word) + 1 for word in sentence.split("|")]
        parts += [np.full(round(_WORD_S * SAMPLE_RATE), code * _STEP, np.float32) for code in codes]
        places.append(Interval(start, sum(map(len, parts)) / SAMPLE_RATE))
        parts.append(np.zeros(round(pause_s * SAMPLE_RATE), np.float32))
    sound = np.concatenate(parts)
    sound.tofile(path)
    steps = -(-len(sound) // STEP_SAMPLES)
    middles = (np.arange(steps) + 0.5) * STEP_SAMPLES / SAMPLE_RATE
    spoken = np.any([(middles >= start) & (middles < end) for start, end in places], axis=0)
    activity = SpeechActivity(spoken.astype(np.float32), np.where(spoken, -20.0, -90.0).astype(np.float32), len(sound))
    return Sound(path, activity), places


def _speech(
    path: Path, says: Sequence[str], pause_s: float = 0.8, is_final: bool = True, **how: object
) -> tuple[RecognizedSpeech, Reader, list[Interval]]:
    vocabulary = list(dict.fromkeys(word for sentence in says for word in sentence.split("|")))
    reader = Reader(vocabulary, **how)  # type: ignore[arg-type]
    sound, places = _sound(path / "sound.f32", says, vocabulary, pause_s)
    return RecognizedSpeech(sound, reader, "en", is_final), reader, places


def _texts(speech: RecognizedSpeech, places: Sequence[Interval]) -> list[str]:
    return [said.text.text for _, said in speech.transcripts_in(places, range(len(places)))]


SAYS = ["Inside|the|battery,", "tiny|particles|swim.", "So|it|is|not|empty?", "No,|it|is|not.", "Nothing|leaves|the|battery."]


def test_stretches_are_recognized_together_and_words_go_by_time(tmp_path: Path) -> None:
    speech, reader, places = _speech(tmp_path, SAYS)
    assert _texts(speech, places) == [sentence.replace("|", " ") for sentence in SAYS]
    assert len(reader.asked) == 1  # all of them at once
    assert reader.languages_asked == 0  # somebody said it
    (_, said), *_ = speech.transcripts_in(places, [2])
    edges = [edge for word in said.text.words for edge in (word.start_s, word.end_s)]
    assert edges == pytest.approx([edge for k in range(5) for edge in (0.3 * k, 0.3 * (k + 1))], abs=0.01)
    assert len(reader.asked) == 1


def test_windows_hold_half_a_minute_and_end_at_long_pauses() -> None:
    assert [*map(len, packed([2.0] * 30))] == [14, 14, 2]
    pauses = [0.3] * 30
    pauses[10] = 2.0
    assert [*map(len, packed([2.0] * 30, pauses))] == [11, 14, 5]
    assert packed([40.0, 1.0]) == [range(1), range(1, 2)]
    assert packed([]) == []
    before = packed([2.0] * 30, pauses)
    assert packed([2.0] * 13 + [1.7] + [2.0] * 16, pauses)[0] == before[0]


def test_no_corrected_utterance_is_recognized_again(tmp_path: Path) -> None:
    speech, reader, places = _speech(tmp_path, SAYS * 8)
    texts = _texts(speech, places)
    asked = len(reader.asked)
    assert asked == len([*packed([2.4] * 40)]) or asked < 6
    (start, end) = places[2]
    divided = [*places[:2], Interval(start, start + 0.6), Interval(start + 0.6, end), *places[3:]]
    assert _texts(speech, divided) == [*texts[:2], "So it", "is not empty?", *texts[3:]]
    joined = [*places[:2], Interval(places[2].start_s, places[3].end_s), *places[4:]]
    assert _texts(speech, joined)[2] == f"{texts[2]} {texts[3]}"
    others = [number for number in range(len(places)) if number != 4]
    assert [said.text.text for _, said in speech.transcripts_in(places, others)] == [texts[number] for number in others]
    assert speech.known_in(places, 4).text == texts[4]
    assert len(reader.asked) == asked
    fresh, reader, places = _speech(tmp_path, SAYS * 8)
    assert fresh.known_in(places, 4) is None
    assert not reader.asked


def test_words_near_a_short_pause_go_with_their_sentence(tmp_path: Path) -> None:
    speech, _, places = _speech(tmp_path, SAYS, pause_s=0.4, late_s=0.3)
    assert _texts(speech, places) == [sentence.replace("|", " ") for sentence in SAYS]


def test_what_a_window_passes_over_is_recognized_by_itself(tmp_path: Path) -> None:
    speech, reader, places = _speech(tmp_path, SAYS, passed_over=["No,", "is", "not."])  # and hears "it" alone
    assert _texts(speech, places)[3] == "No, it is not."
    assert len(reader.asked) == 2
    assert reader.asked[1][0] == pytest.approx(2.0, abs=0.2)  # with what is around it
    looping, reader, places = _speech(tmp_path, SAYS, loops_from_s=5.0)
    assert _texts(looping, places) == [sentence.replace("|", " ") for sentence in SAYS]
    assert len(reader.asked) == 6


def test_words_whose_times_missed_their_stretch_are_not_said_twice(tmp_path: Path) -> None:
    says = ["Is|it|empty?", "No.", "Nothing|leaves."]
    for late_s in (0.5, -0.5):
        (folder := tmp_path / str(late_s)).mkdir()
        speech, _, places = _speech(folder, says, pause_s=0.4, late={"No.": late_s})
        assert _texts(speech, places) == ["Is it empty?", "No.", "Nothing leaves."]


@pytest.mark.parametrize(
    ("sentence", "sure", "is_hardly"),
    [
        ("Good|luck,|everyone.", 0.3, True),  # as Whisper writes of a laugh, very unsurely: in a strange voice
        ("Good|luck,|everyone.", 0.6, False),
        ("Ha|ha|ha!", 0.95, True),
        ("Hmm.", 0.9, True),
        ("[laughs]", 0.9, True),
        ("Nnnnnnnn", 0.8, True),
        ("Buh,|buh,|buh.", 0.65, True),
        ("No,|no,|no.", 0.9, False),
        ("Yes,|yes|yes!|yes,|yes?|yes.", 0.9, True),
        ("Yes.", 0.7, False),
        ("One|two|three|four|five|six|seven|eight|nine|ten|of|them|are|not|here|at|all", 0.3, False),  # long: told as unsure
    ],
)
def test_what_is_hardly_words_is_told_from_words(tmp_path: Path, sentence: str, sure: float, is_hardly: bool) -> None:
    says = [*SAYS[:2], sentence, *SAYS[2:]]
    speech, _, places = _speech(tmp_path, says, sure={(word, "en"): sure for word in sentence.split("|")})
    speech.is_strange = lambda place: place[0] == pytest.approx(places[2][0], abs=0.1)
    said = dict(speech.transcripts_in(places, range(len(places))))
    assert [one.is_hardly_words for one in said.values()] == [number == 2 and is_hardly for number in range(len(places))]
    assert said[2].text.text == ("" if is_hardly else sentence.replace("|", " "))
    assert [one.place for one in speech.between(0, 99) if one.is_hardly_words] == [
        pytest.approx(places[2], abs=0.1) for _ in range(is_hardly)
    ]


def test_a_sentence_that_is_said_twice_is_heard_twice(tmp_path: Path) -> None:
    says = ["we|go|there|now"] * 3  # which is passed over where it comes again
    speech, _, places = _speech(tmp_path, says, passed_over=["we", "go", "there", "now"])
    assert _texts(speech, places) == ["we go there now"] * 3


class Laughing:
    """Recognizes given words, and in a shorter sound, as a laugh by itself, what it makes of that."""

    name, languages = "laughing", ("en",)

    def __init__(self, words: Sequence[tuple[str, float, float, float]], alone: Transcript) -> None:
        self.words, self.alone = tuple(Word(*one) for one in words), alone

    def transcribe(self, speech: np.ndarray, language: str | None = None) -> Transcript:
        is_all = len(speech) > 4 * SAMPLE_RATE
        return Transcript(" ".join(one.text for one in self.words), "en", self.words) if is_all else self.alone

    def languages_in(self, speech: np.ndarray) -> Mapping[str, float]:
        return {}


_GUESSED = Transcript("Good luck.", "en", (Word("Good", 0, 1, 0.3), Word("luck.", 1, 2, 0.3)))
_SURE = Transcript("Good luck.", "en", (Word("Good", 0, 1, 0.9), Word("luck.", 1, 2, 0.9)))
_MINUTE = [("One", 0.6, 1.0, 0.9), ("minute.", 1.0, 2.0, 0.9)]
_HA, _HE = [("ha", 2.3, 2.8, 0.6), ("ha.", 2.8, 3.5, 0.9)], [("he", 2.1, 2.5, 0.9), ("said", 2.5, 3.8, 0.9)]
_KNOW = [("know", 4.0, 4.4, 0.9), ("it.", 4.4, 5.0, 0.9)]


@pytest.mark.parametrize(
    ("words", "alone", "dips", "said"),
    [
        ([*_MINUTE, *_HA, ("I", 3.7, 4.0, 0.9), *_KNOW], _SURE, (), ["One minute.", "", "I know it."]),
        ([*_MINUTE, ("I", 2.8, 2.9, 0.5), *_KNOW], _GUESSED, (2.1, 3.9), ["One minute.", "", "I know it."]),
        ([*_MINUTE, ("I", 3.5, 4.0, 0.5), *_KNOW], _GUESSED, (2.1, 3.8), ["One minute.", "", "I know it."]),
        ([*_MINUTE, *_KNOW], _GUESSED, (2.1, 3.9), ["One minute.", "", "know it."]),
        ([*_MINUTE, *_KNOW], _SURE, (2.1, 3.9), ["One minute. know it."]),  # words were skipped
        ([*_MINUTE, *_KNOW], _GUESSED, (), ["One minute. know it."]),  # a word is drawn out
        ([*_MINUTE, ("No.", 2.8, 3.2, 0.5), *_KNOW], _GUESSED, (), ["One minute. No. know it."]),
        ([*_MINUTE, *_HE, *_KNOW], _GUESSED, (2.1, 3.9), ["One minute. he said know it."]),
    ],
)  # fmt: skip
def test_a_laugh_within_a_stretch_is_none_of_its_words(
    tmp_path: Path, words: list[tuple[str, float, float, float]], alone: Transcript, dips: tuple[float, ...], said: list[str]
) -> None:
    times = np.arange(round(5.6 * 31.25)) / 31.25
    spoken = (times >= 0.5) & (times < 5.1)
    levels = np.where(spoken, -20.0, -80.0)
    for dip in dips:
        levels[np.abs(times - dip) < 0.08] = -50.0
    (tmp_path / "sound.f32").write_bytes(np.zeros(len(times) * STEP_SAMPLES, np.float32).tobytes())
    activity = SpeechActivity(spoken.astype(np.float32), levels.astype(np.float32), len(times) * STEP_SAMPLES)
    speech = RecognizedSpeech(Sound(tmp_path / "sound.f32", activity), Laughing(words, alone), "en", True)  # type: ignore[arg-type]
    found = speech.between(0, 9)
    assert [one.text.text for one in found] == said
    assert [one.is_hardly_words for one in found] == [not one for one in said]
    assert all(before.place[1] == after.place[0] for before, after in pairwise(found))
    borders = around_wordless(speech, 0, 9)
    spans = cut_utterances(split_at(speech.sound.regions, borders), activity.seconds, borders, quietest=activity.quietest_s)
    assert [(text.text.text, text.is_hardly_words) for _, text in speech.transcripts_in(spans, range(len(spans)))] == [
        (one, not one) for one in said
    ]


FRENCH = ["le|bus|rouge|arrive|a|midi|devant", "nous|allons|tous|au|marche|avec|lui"]
_IS_FRENCH = {"fr": 0.9, "en": 0.05}


def _with_french(
    path: Path, french: Sequence[str], sure: float, english: float, is_final: bool = False, **how: object
) -> tuple[dict[int, Transcript], Reader, list[str]]:
    """Return what is in another language, the recognizer, and what all utterances say then."""
    says = [*SAYS[:2], *french, *SAYS[2:]]
    words = {word for sentence in french for word in sentence.split("|")}
    confidences = {(word, language): value for word in words for language, value in (("fr", sure), ("en", english))}
    spoken = {sentence.split("|")[0]: _IS_FRENCH for sentence in french}
    speech, reader, places = _speech(path, says, is_final=is_final, sure=confidences, spoken=spoken, **how)
    said = dict(speech.transcripts_in(places, range(len(places))))
    return speech.in_another_language(places, said), reader, _texts(speech, places)


def test_another_language_is_sure_by_itself_and_in_its_neighbours(tmp_path: Path) -> None:
    found, *_ = _with_french(tmp_path, FRENCH, sure=0.7, english=0.3)
    assert {number: (text.language, text.text.split()[0]) for number, text in found.items()} == {2: ("fr", "le"), 3: ("fr", "nous")}
    assert not _with_french(tmp_path, FRENCH, sure=0.2, english=0.5)[0]  # as Whisper takes clear English for Japanese
    assert not _with_french(tmp_path, FRENCH[:1], sure=0.7, english=0.3)[0]  # its neighbours are English
    assert not _with_french(tmp_path, FRENCH[:1], sure=0.95, english=0.3)[0]  # and it is short
    assert [*_with_french(tmp_path, ["|".join([FRENCH[0], FRENCH[1]])], sure=0.95, english=0.3)[0]] == [2]
    found, reader, _ = _with_french(tmp_path, FRENCH, sure=0.9, english=0.1, is_final=True)
    assert not found
    assert {language for _, language in reader.asked} == {"en"}
    assert reader.languages_asked == 0


@pytest.mark.parametrize(("english", "found"), [(0.4, {2: ("fr", 0.9), 3: ("fr", 0.9)}), (0.9, {})])
def test_a_doubtful_utterance_that_sounds_foreign_is_found(
    tmp_path: Path, english: float, found: dict[int, tuple[str, float]]
) -> None:
    says = [*SAYS[:2], *FRENCH, *SAYS[2:]]
    sure = {(word, "en"): english for sentence in FRENCH for word in sentence.split("|")}
    speech, reader, places = _speech(tmp_path, says, sure=sure, spoken={one.split("|")[0]: _IS_FRENCH for one in FRENCH})
    assert speech.sounding_foreign(places, dict(speech.transcripts_in(places, range(len(places))))) == found
    assert reader.languages_asked == len(found)  # only of what is doubtful


def test_what_a_recognizer_translates_fluently_is_looked_at_as_well(tmp_path: Path) -> None:
    # As Whisper base does with French and Spanish in English talk.
    assert [*_with_french(tmp_path, FRENCH, sure=0.94, english=0.75)[0]] == [2, 3]


def test_neighbours_in_another_language_are_judged_together(tmp_path: Path) -> None:
    sure = {(word, "fr"): 0.56 for word in FRENCH[0].split("|")} | {(word, "fr"): 0.7 for word in FRENCH[1].split("|")}
    says = [*SAYS[:2], *FRENCH, *SAYS[2:]]
    sure |= {(word, "en"): 0.5 for sentence in FRENCH for word in sentence.split("|")}
    spoken = {sentence.split("|")[0]: _IS_FRENCH for sentence in FRENCH}
    speech, _, places = _speech(tmp_path, says, is_final=False, sure=sure, spoken=spoken)
    assert [*speech.in_another_language(places, dict(speech.transcripts_in(places, range(len(places)))))] == [2, 3]


def test_a_sentence_gets_words_back_that_another_language_took(tmp_path: Path) -> None:
    french = [FRENCH[0] + "|nous|allons|tous|au"]
    words = french[0].split("|")
    late = {"So": -2.5, "it": -2.5}
    found, reader, texts = _with_french(tmp_path, french, 0.95, 0.73, passed_over=words, late=late, late_beside="le")
    assert {number: text.text for number, text in found.items()} == {2: " ".join(words)}
    assert texts[3] == "So it is not empty?"
    assert texts[2] == ""  # its own are those of the other language
    assert [language for _, language in reader.asked].count("fr") == 1


def test_a_transcript_has_the_other_language_whole(tmp_path: Path) -> None:
    french = FRENCH[0] + "|nous|allons|tous|au"
    words = french.split("|")
    sure = {(word, language): value for word in words for language, value in (("fr", 0.95), ("en", 0.73))}
    how = {"late": {"So": -2.5, "it": -2.5}, "late_beside": "le", "passed_over": words, "spoken": {"le": _IS_FRENCH}}
    speech, reader, places = _speech(tmp_path, [*SAYS[:2], french, *SAYS[2:]], sure=sure, **how)
    anew = RecognizedSpeech(speech.sound, reader)
    found = {number: one.text for number, one in anew.texts(places, range(len(places)), lambda done: None).items()}
    assert (found[2].text, found[2].language) == (" ".join(words), "fr")
    assert [found[number].text for number in (1, 3, 4)] == ["tiny particles swim.", "So it is not empty?", "No, it is not."]


def test_what_is_unsure_in_a_voice_that_speaks_much_is_words(tmp_path: Path) -> None:
    speech, _, places = _speech(tmp_path, [*SAYS, "In|1991"], sure={("In", "en"): 0.1, ("1991", "en"): 0.3})
    assert _texts(speech, places)[-1] == "In 1991"


def test_the_language_of_most_is_taken_where_none_was_asked_for(tmp_path: Path) -> None:
    spoken = {"Inside": {"fr": 0.95, "en": 0.01}}
    speech, reader, places = _speech(tmp_path, SAYS, is_final=False, spoken=spoken)
    assert speech.usual == "fr"
    assert [text.language for text in (said.text for _, said in speech.transcripts_in(places, [0, 1]))] == ["fr", "fr"]
    assert {language for _, language in reader.asked} == {"fr"}


def test_speech_where_none_was_found_is_recognized_by_itself(tmp_path: Path) -> None:
    speech, reader, _ = _speech(tmp_path, SAYS)
    end = speech.sound.activity.seconds
    assert [*speech.transcripts_in([Interval(end - 0.7, end - 0.1)], [0])] == [
        (0, RecognizedText(Transcript("", "en"), is_hardly_words=True))
    ]
    assert reader.asked[-1][0] == pytest.approx(0.6)


def test_pieces_keep_their_own_clocks_and_a_loop_is_told_of_all() -> None:
    words = (Word("a", 0.6, 0.9, 1.0), Word("b", 1.9, 2.5, 1.0))
    pieces = [WindowPart(np.zeros(2 * SAMPLE_RATE, np.float32), 10.0), WindowPart(np.zeros(SAMPLE_RATE, np.float32), 20.0)]
    heard = recognized_together(pieces, lambda speech: Transcript("a b", "en", words, has_loop=len(speech) == 3 * SAMPLE_RATE))
    assert [one.words for one in heard] == [(Word("a", 10.6, 10.9, 1.0),), (Word("b", pytest.approx(19.9), 20.5, 1.0),)]
    assert [one.has_loop for one in heard] == [True, True]
