"""Speak text, over units (text to speech, TTS): a dub without media."""

from typing import TYPE_CHECKING

from avcore.checkpoints.bundle import checkpoint_or_bundle, optional_or_bundle
from avcore.command import LOG
from avcore.media import write_speech_pieces
from avcore.notes import several
from avcore.progress import bars
from avcore.units import normalise_language, write_unit_file
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import models_when_asked
from netflips.options import SayOptions
from netflips.text_voice import TextVoice
from netflips.understanding import speller_measure, tell_verdict
from text2unit.inference import given_script
from text2unit.readings import read_readings
from text2unit.script import SpokenScript
from text2unit.speller import join
from text2unit.stage import SPELLER
from unit2av.stage import RENDERER

if TYPE_CHECKING:
    from text2unit.speller import Spelling


def say_text(options: SayOptions) -> None:
    """Speak a text, write its units, or both. Raises NetflipsError for files and text that cannot be used."""
    readings = {} if options.pronounce is None else read_readings(options.pronounce, options.to)
    script = given_script(options.text, options.text_path, options.to, readings)
    path = optional_or_bundle(options.text2unit_path, SPELLER, normalise_language(options.to))
    renderer = None if options.out is None else checkpoint_or_bundle(options.unit2av_path, RENDERER)
    paths = ModelPaths.of({} if renderer is None else {RENDERER: renderer}, options.speaker_encoder_path, {SPELLER.part: path})
    models = models_when_asked(paths, RunOptions(options.device, options.precision), options.to)
    speller = models.other(SPELLER, options.to)
    speller.require_language(options.to)  # before the voice is loaded
    understood = speller_measure(speller).understanding(" ".join(script.sentences), script.spelt)
    tell_verdict(understood, options.text_path or "the text", options.strict)
    if renderer is None:
        spoken = list(speller.spell(script.sentences, options.to))
    else:
        voice = TextVoice.of(models, options.to, 1 / options.speed, options.voice)
        spoken = _speak(voice, script, options)
    units = join(spoken, speller.silence)
    if options.units_path is not None:
        write_unit_file(options.units_path, units.ids)
        LOG.info("%s: %s of %s", options.units_path, several(len(units), "unit"), several(len(spoken), "sentence"))


def _speak(voice: TextVoice, script: SpokenScript, options: SayOptions) -> "list[Spelling]":
    """Write the speech, sentence by sentence; returns what was said."""
    assert options.out is not None  # else nothing is spoken
    with bars(options.quiet) as progress:
        telling = voice.tell(script, progress)
        samples = write_speech_pieces(options.out, telling, telling.rate)
    seconds = samples / telling.rate
    LOG.info("%s: %s, %.2f s of speech", options.out, several(len(telling.spellings), "sentence"), seconds)
    return telling.spellings
