"""What is measured of an utterance once it is spoken: its transcript against its text, clicks, speed, lips, and its voice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avcore.arrays import Floats, Samples
from avcore.contracts import Speaker, SpeechRecognizer, Transcript
from avcore.errors import NetflipsError, NoSpeechError
from avcore.speech.figures import count_clicks
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from netflips.dubbing.check_recognizer import compared
from netflips.dubbing.job import LOG
from netflips.dubbing.part import spoken_units
from netflips.dubbing.store import Store
from netflips.recognizers.aligned import phonemes_in
from netflips.recognizers.windows import WindowPart, recognized_together
from netflips.script.utterance import SPEECH_FAULTS, Checked, SpeechFault, TimeFit, Utterance
from text2unit.script import as_pronounced

if TYPE_CHECKING:
    from unit2av.lipsync.mesh.table import MouthTable

_SLOW = 0.9
"""Speed below which speech is noticeably slower than natural."""
_SURE_S = 1.6
"""A window of the speaker encoder: in shorter speech a voice is not recognized."""
_CLICKS_A_SECOND, _LEAST_CLICKS = 3.0, 4
"""Clicks a second, and in all, at or above which they are a fault. The bundle's lowest voices have 1.6 a second, most have none."""
_OPEN, _PRESSED, _REACH_S = 0.15, 0.6, 0.06
"""Lips are closed if the mouth table's opening is below the first, or its pressing above the second, within these seconds of a b,
m or p."""
_CLOSING = "bmp"
APART_S, _PEAK = 1.0, 0.5
"""Silence in seconds between two utterances that are transcribed together, and the peak that each is scaled to."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """An utterance that was spoken, and what was measured."""

    utterance: Utterance
    checked: Checked
    voice: Floats | None
    """its speaker embedding, float32 [E]; None = it is too short"""
    lips: tuple[int, int] = (0, 0)
    """number of b, m and p at which the lips close, and at which they do not"""


@dataclass(frozen=True, eq=False)
class Measurer:
    """Speaks utterances, and transcribes and measures them."""

    speak: Callable[[Utterance], Samples]
    """speaks a fitted utterance, float32 [S] at 16 kHz"""
    recognizer: SpeechRecognizer | None
    """None: none is installed, and what is measured without a transcript counts alone"""
    has_times: bool
    """whether its transcripts have the times of words"""
    encoder: Callable[[], Speaker]
    """opens what compares voices"""
    store: Store
    mouth: "MouthTable | None"
    """how the lips will move; None: it is not known before frames are drawn"""
    language: str
    """the target language"""
    readings: Mapping[str, str]
    """how words are read, as of `pronounce`"""

    def measured(self, utterance: Utterance, transcript: Transcript | None = None) -> Spoken:
        """Speak an utterance, transcribe and measure it. transcript: if it is known. Raises NetflipsError where that fails."""
        speech, text = (
            self.speak(utterance),
            "" if utterance.spoken is None else as_pronounced(utterance.spoken.text, self.readings),
        )
        right: float | None = None
        faults = set[SpeechFault]()

        if not text:
            transcript = None
        elif transcript is None and self.recognizer is not None:
            transcript = self.recognizer.transcribe(speech, self.language)
        if transcript is not None:
            right, faults = compared(transcript, text, self.language, len(speech))

        clicks, closed = count_clicks(speech), self.closed(utterance, speech, text)
        if clicks >= max(_LEAST_CLICKS, _CLICKS_A_SECOND * len(speech) / SAMPLE_RATE):
            faults.add("clicks")
        fit = utterance.fit or TimeFit(utterance.place)
        if fit.is_hurried or fit.cut_s:
            faults.add("hurried")
        if is_too_slow(fit.speed):
            faults.add("slow")

        share = closed[0] / sum(closed) if any(closed) else None
        checked = Checked(
            text=text,
            transcript=None if transcript is None else transcript.text,
            right=rounded(right),
            speed=rounded(fit.speed),
            clicks=clicks,
            closed=rounded(share),
            faults=in_order(faults),
        )
        return Spoken(utterance, checked, self._voice_of(speech), closed)

    def transcribe_together(self, pack: Sequence[Utterance]) -> list[Transcript | None]:
        """Return the transcripts of utterances that together fill half a minute; None where each is to be transcribed by itself.

        A window of Whisper takes as long for one utterance as for several.
        """
        recognizer = self.recognizer
        if recognizer is None or not self.has_times or len(pack) < 2:
            return [None] * len(pack)

        around = np.zeros(seconds_to_samples(APART_S / 2), np.float32)
        try:
            pieces = list[WindowPart]()
            for utterance in pack:
                speech = self.speak(utterance)
                level = _PEAK / max(float(np.abs(speech).max(initial=0.0)), 1e-6)
                pieces.append(WindowPart(np.concatenate([around, speech * level, around]), -APART_S / 2))
            return [*recognized_together(pieces, lambda speech: recognizer.transcribe(speech, self.language))]
        except NetflipsError:  # each is transcribed by itself then, where what fails is reported
            LOG.debug("check of several utterances", exc_info=True)
            return [None] * len(pack)

    def closed(self, utterance: Utterance, speech: Samples, text: str) -> tuple[int, int]:
        """Return at how many b, m and p the lips will close, and at how many not.

        Both are 0 where that is not known before frames are drawn, or the times of the phonemes are not known.
        """
        units = spoken_units(utterance, self.language)
        if self.mouth is None or not text or not len(units) or not len(speech):
            return 0, 0

        try:
            spoken = phonemes_in(speech, text, self.language)
        except NetflipsError:  # espeak-ng cannot say it
            return 0, 0

        moves = self.mouth.parameters(units)
        times = (np.arange(len(moves)) + 0.5) / FRAME_RATE
        near = [moves[(times > start - _REACH_S) & (times < end + _REACH_S)] for name, start, end in spoken if name[0] in _CLOSING]
        closes = [rows[:, 0].min() < _OPEN or rows[:, 2].max() > _PRESSED for rows in near if len(rows)]
        count = int(np.sum(closes))
        return count, len(closes) - count

    def _voice_of(self, speech: Samples) -> Floats | None:
        if samples_to_seconds(len(speech)) < _SURE_S:
            return None
        encoder = self.encoder()
        try:
            return self.store.kept(np.ndarray, "voices", (speech, encoder.fingerprint), lambda: encoder.embed(speech))
        except NoSpeechError:
            return None


def is_too_slow(speed: float | None) -> bool:
    """Return whether speech is noticeably slower than natural."""
    return speed is not None and round(speed, 3) < _SLOW


def in_order(faults: set[SpeechFault]) -> tuple[SpeechFault, ...]:
    """Return faults in the order in which reports have them."""
    return tuple(one for one in SPEECH_FAULTS if one in faults)


def rounded(figure: float | None) -> float | None:
    """Return a figure as the script keeps it."""
    return None if figure is None else round(figure, 3)
