"""What people would hear, by judges that know nothing of NetfLips: the exam's first rows, with `make judges` and `make voices`.

A row without a clip: sentences are drawn as all others, English ones in natural voices that training never hears.
"""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from avcore.arrays import Samples
from netflips.evaluate.metrics.figures import Better
from unit2av.speakers.voice_of import neutral_voice, voice_of
from workshop.evaluate.bench import Bench
from workshop.evaluate.clipless import speech_in
from workshop.evaluate.jobs import FREE, OUTSIDE, Record
from workshop.evaluate.judges import Judges, character_error_rate, word_error_rate
from workshop.evaluate.lacking import ENGLISH_VOICE, JUDGES, SPELLER_KO, VOICES
from workshop.evaluate.material import drawn_sentence
from workshop.evaluate.modalities import AUDIO
from workshop.evaluate.row import ExamRow, Place, beside_dubbing, mean_row
from workshop.voices.cast import cast
from workshop.voices.free_korean import held_out_free

_DIGITS = 4
_SECONDS = 6.0
"""CPU seconds of a task: recognisers take most of them."""


@dataclass(frozen=True)
class HearTeacher:
    """The Korean teacher says a sentence itself: what a voice that learnt from it can reach."""

    kind: str = OUTSIDE
    seconds: ClassVar[float] = _SECONDS
    needs_face: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What records call it."""
        return f"teacher {self.kind}"

    def do(self, bench: Bench, index: int) -> Record:
        """How much of it is heard wrong, and how clean it is."""
        text = _korean(self.kind, bench, index)
        return _heard(speech_in(text, cast().reference("ko", bench.settings.edition)), text)


@dataclass(frozen=True)
class HearSaid:
    """Text said in the default voice of `netflips say`."""

    kind: str = OUTSIDE
    seconds: ClassVar[float] = _SECONDS
    needs_face: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What records call it."""
        return f"say {self.kind}"

    def do(self, bench: Bench, index: int) -> Record:
        """How much of it is heard wrong, and how clean it is."""
        text, vocoder = _korean(self.kind, bench, index), bench.chain.models.vocoder
        return _heard(vocoder.synthesize(bench.side.spell(text), neutral_voice(vocoder.speaker_dim)).samples, text)


@dataclass(frozen=True)
class HearDub:
    """A dub of a natural English voice that training never heard, by its sound."""

    name: ClassVar[str] = "dub outside"
    seconds: ClassVar[float] = 2 * _SECONDS
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """How much is heard wrong, how clean it is, and how near to its speaker and to the Korean teacher."""
        pair, encoder = drawn_sentence(OUTSIDE, index, bench.settings), bench.chain.models.speaker_encoder
        speech = _natural(pair.english, bench, index)
        voice = voice_of(speech, encoder)
        found = bench.chain.listen(speech, None, AUDIO)
        dubbed = bench.chain.say(found.units, found.confidence, voice).samples
        own = encoder.embed(dubbed)
        teacher = encoder.embed(speech_in(pair.korean, cast().reference("ko", bench.settings.edition)))
        near = {"to_speaker": round(float(own @ voice.vector), _DIGITS), "to_teacher": round(float(own @ teacher), _DIGITS)}
        return _heard(dubbed, pair.korean) | near


@dataclass(frozen=True)
class HearEnglishVoice:
    """Units of a natural English voice, said by the bundle's English voice."""

    name: ClassVar[str] = "english voice"
    seconds: ClassVar[float] = _SECONDS
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """How many of its words are heard wrong, and of the source's."""
        pair = drawn_sentence(OUTSIDE, index, bench.settings)
        speech = _natural(pair.english, bench, index)
        said = bench.side.english_of(speech)
        wrong, source = (word_error_rate(pair.english, _judges().english(one)) for one in (said, speech))
        return {"wrong": round(wrong, _DIGITS), "source_wrong": round(source, _DIGITS)}


def _korean(kind: str, bench: Bench, index: int) -> str:
    free = held_out_free()
    return free[index % len(free)] if kind == FREE else drawn_sentence(OUTSIDE, index, bench.settings).korean


def _natural(text: str, bench: Bench, index: int) -> Samples:
    return speech_in(text, cast().unheard_natural(np.random.default_rng([bench.settings.seed, index, 31])))


def _heard(speech: Samples, text: str) -> Record:
    wrong = character_error_rate(text, _judges().korean(speech))
    return {"wrong": round(wrong, _DIGITS), "quality": round(_judges().quality(speech), _DIGITS)}


@cache
def _judges() -> Judges:
    return Judges()


def _row(name: str, title: str, place: Place, field: str, goal: float | None, better: Better, *requires: str) -> ExamRow:
    return beside_dubbing(mean_row(name, title, place, field, goal, better), place, JUDGES, VOICES, *requires)


_SAID: Place = OUTSIDE, HearSaid()
_FREE: Place = FREE, HearSaid(FREE)
_TEACHER: Place = OUTSIDE, HearTeacher()
_FREE_TEACHER: Place = FREE, HearTeacher(FREE)
_DUB: Place = OUTSIDE, HearDub()
_ENGLISH: Place = OUTSIDE, HearEnglishVoice()

OUTSIDE_ROWS: tuple[ExamRow, ...] = (
    _row("whisper_say", "Korean text, said: characters that Whisper base hears wrong", _SAID, "wrong", 0.25, "lower", SPELLER_KO),
    _row("whisper_dub", "a dub of a natural voice never heard: the same", _DUB, "wrong", 0.3, "lower"),
    _row("whisper_free", "Korean text that is none of the phrasebook's, said: the same", _FREE, "wrong", 0.35, "lower", SPELLER_KO),
    _row("whisper_teacher", "the Korean teacher itself: the same", _TEACHER, "wrong", None, "near"),
    _row("whisper_free_teacher", "the Korean teacher, text that is none of the phrasebook's", _FREE_TEACHER, "wrong", None, "near"),
    _row(
        "whisper_en", "the English voice: words that Whisper tiny.en hears wrong", _ENGLISH, "wrong", 0.15, "lower", ENGLISH_VOICE
    ),
    _row("whisper_en_source", "its source: the same", _ENGLISH, "source_wrong", None, "near", ENGLISH_VOICE),
    _row("mos_dub", "a dub, sound quality by DNSMOS (1 to 5)", _DUB, "quality", 2.8, "higher"),
    _row("mos_say", "Korean text, said in the default voice: the same", _SAID, "quality", None, "higher", SPELLER_KO),
    _row("dub_to_speaker", "a dub's voice beside its speaker's (cosine)", _DUB, "to_speaker", None, "higher"),
    _row("dub_to_teacher", "the same beside the Korean teacher's", _DUB, "to_teacher", None, "lower"),
)
