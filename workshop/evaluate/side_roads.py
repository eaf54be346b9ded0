"""What lies beside dubbing: text that is read and text that is said, and speech for silent lips. One of these in each process.

Its models are loaded when something is asked of them; where a bundle has none, `lacking` says so before anything is asked.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from avcore.arrays import Samples
from avcore.errors import NoFaceError, NoSpeechError
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units
from netflips.lip_speech.speaking import speech_pieces
from netflips.lip_speech.stretches import spoken_stretches
from text2unit.speller import TextSpeller
from text2unit.stage import SPELLER
from unit2av.speakers.voice_of import voice_of
from unit2av.voice.speech import SpeakerVoice, UnitVocoder
from unit2text.evaluate import compare
from unit2text.reader import UnitReader
from unit2text.stage import TEXT_READER
from workshop.evaluate.chain import Chain, ClipContent
from workshop.evaluate.jobs import ExamPaths, Record
from workshop.evaluate.material import ClipPlan
from workshop.evaluate.modalities import AUDIO, VIDEO
from workshop.evaluate.retrieval import SpokenReferences
from workshop.voices.phrasebook import SentencePair

_DIGITS = 4
_OWN = "en"
"""The language of the bundle's clips."""


class SideRoads:
    """Reads text, says text, and speaks for lips, with a bundle's models."""

    def __init__(self, place: ExamPaths, chain: Chain, recordings: SpokenReferences) -> None:
        """recordings: of Korean sentences."""
        self._place, self._chain, self._recordings = place, chain, recordings

    def say(self, pair: SentencePair, voice: SpeakerVoice) -> Record:
        """Say the Korean of a sentence from its text."""
        units = self.spell(pair.korean)
        samples = self._chain.models.vocoder.synthesize(units, voice).samples
        found = self._recordings.nearest(samples)
        return {"right": found.text == pair.korean, "found": found.text} | self._read_sound(samples, pair.korean, "ko")

    def spell(self, korean: str) -> Units:
        """Units of a Korean text."""
        return self._speller.units_of(korean, "ko")

    def english_of(self, speech: Samples) -> Samples:
        """Say English speech, float32 [S] at 16 kHz, again from its units, in its own voice."""
        units = self._chain.listen(speech, None, AUDIO).units
        return self._voice.synthesize(units, voice_of(speech, self._chain.models.speaker_encoder)).samples

    def read_clip(self, heard: ClipContent, modalities: str, plan: ClipPlan) -> Record:
        """Read a clip's sound (AUDIO) or its lips (VIDEO) as text, in its own language."""
        if modalities == VIDEO and heard.face is None:
            raise NoFaceError("no face was found", path=heard.source.path)
        lips = None if heard.face is None else heard.face.lips
        return self._read(self._chain.listen(heard.speech, lips, modalities).units, plan.text, plan.language)

    def speak_clip(self, heard: ClipContent, modalities: str, plan: ClipPlan) -> Record:
        """Say in its own language and time what a clip's lips say (VIDEO), or its sound, which is what that can reach; and measure
        it beside the true sound."""
        voice = voice_of(heard.speech, self._chain.models.speaker_encoder)
        samples = self._of_lips(heard, voice) if modalities == VIDEO else self.english_of(heard.speech)
        found, true = self._english.nearest(samples), self._english.nearest(heard.speech)
        return (
            {"right": found.text == plan.text, "found": found.text, "source_right": true.text == plan.text}
            | likeness(samples, heard.speech)
            | self._read_sound(samples, plan.text, plan.language)
        )

    def _of_lips(self, heard: ClipContent, voice: SpeakerVoice) -> Samples:
        """As `netflips lip2speech` does it."""
        if heard.face is None:
            raise NoFaceError("no face was found", path=heard.source.path)
        utterances = spoken_stretches(heard.face)
        if not utterances:
            raise NoSpeechError("the lips do not move as those of somebody who speaks", path=heard.source.path)
        return np.concatenate(list(speech_pieces(heard.face, utterances, self._chain.models.extractor, self._voice, voice)))

    def _read_sound(self, samples: Samples, text: str, language: str) -> Record:
        """What the text reader makes of speech; nothing where the bundle has none."""
        if TEXT_READER.part not in self._chain.models.paths.others:
            return {}
        return self._read(self._chain.units_of_sound(samples), text, language)

    def _read(self, units: Units, text: str, language: str) -> Record:
        read = self._reader.read(replace(units, language=language), language).text
        words, characters = compare(text, read)
        counted = {"errors": characters.errors, "length": characters.length}
        return {"read": read, "word_errors": words.errors, "words": words.length} | counted

    @cached_property
    def _english(self) -> SpokenReferences:
        return SpokenReferences.read(self._place.english)

    @cached_property
    def _voice(self) -> UnitVocoder:
        models = self._chain.models
        return UnitVocoder.from_checkpoint(models.paths.unit2av, _OWN, models.how.device, models.how.precision)

    @property
    def _reader(self) -> UnitReader:
        reader: UnitReader = self._chain.models.other(TEXT_READER)
        return reader

    @property
    def _speller(self) -> TextSpeller:
        speller: TextSpeller = self._chain.models.other(SPELLER, "ko")
        return speller


def likeness(made: Samples, true: Samples) -> Record:
    """STOI (Taal et al. 2011) and ESTOI (Jensen and Taal 2016) of speech, float32 [S] at 16 kHz, beside the true one in the same
    time; what one has more is left out."""
    from pystoi import stoi  # an extra, and slow to import

    length = min(len(made), len(true))
    pair = true[:length], made[:length]
    return {
        name: round(float(stoi(*pair, SAMPLE_RATE, extended=extended)), _DIGITS)
        for name, extended in (("stoi", False), ("estoi", True))
    }
