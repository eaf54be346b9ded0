"""What a portrait says: speech that is there, or text and units that are spoken first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle, checkpoints_or_bundle
from avcore.checkpoints.stages import Running
from avcore.errors import NoSpeechError
from avcore.files import private_folder
from avcore.media import read_speech, require_media, write_speech_pieces
from avcore.media.sound import settle_track
from avcore.progress import Progress, track
from avcore.units import Units, from_reference_codes, read_unit_file, units_of
from netflips.lipsync.work import heard_units
from netflips.portrait.flags import duration_scale
from netflips.portrait.options import PortraitOptions
from netflips.stages import load_speller, load_voice
from netflips.text_voice import TextVoice, speaker_voice, speller_path
from text2unit.inference import warn_of_script
from text2unit.script import SpokenScript, script_of
from unit2av.lipsync import Said
from unit2av.lipsync.backend import backend_of, settled
from unit2av.stage import RENDERER

_SPOKEN = "spoken.wav"


@dataclass(frozen=True)
class Given:
    """What was given to be said, and the models for it; nothing is loaded yet.

    speech: a file; script: a text, with its speller; units: as they stand in a file. One of the three is there. encoder, renderer:
    None where they are not needed.
    """

    speech: Path | None = None
    script: SpokenScript | None = None
    units: Path | None = None
    speller: Path | None = None
    encoder: Path | None = None
    renderer: Path | None = None


def given_words(options: PortraitOptions) -> Given:
    """Find what is wrong with what was given before anything is loaded. Raises NetflipsError."""
    given = _speech(options.speech, options) if options.speech is not None else _words(options)
    settled(options.lips, given.renderer)
    return given


def _speech(path: Path, options: PortraitOptions) -> Given:
    speech = require_media(path, "the speech")
    if not backend_of(options.lips, None).needs_units:
        return Given(speech)
    found = checkpoints_or_bundle({UNIT_ENCODER: options.av2unit_path, RENDERER: options.unit2av_path})
    return Given(speech, encoder=found[UNIT_ENCODER], renderer=found[RENDERER])


def _words(options: PortraitOptions) -> Given:
    if options.units is not None:
        return Given(units=options.units, renderer=checkpoint_or_bundle(options.unit2av_path, RENDERER))
    script = script_of(options.text or "", options.to)
    warn_of_script(script)
    speller = speller_path(options.text2unit_path, options.to)
    return Given(script=script, speller=speller, renderer=checkpoint_or_bundle(options.unit2av_path, RENDERER))


@contextmanager
def spoken(given: Given, options: PortraitOptions, progress: Progress) -> Iterator[tuple[Path, Said]]:
    """The sound that is heard, a file for the length of the block, and what the mouth is told of it. Raises NetflipsError."""
    with private_folder() as folder:
        if given.speech is not None:
            settle_track(given.speech)
            samples = read_speech(given.speech)
            if not samples.size:
                raise NoSpeechError("the speech is empty", path=given.speech)
            how = Running(options.device, options.precision)
            yield given.speech, Said(heard_units(given.encoder, samples, how, progress, given.speech), samples)
            return
        path = folder / _SPOKEN
        units = _say_units(given, path, options, progress) if given.units is not None else _say_text(given, path, options, progress)
        yield path, Said(units, read_speech(path))


def _say_text(given: Given, path: Path, options: PortraitOptions, progress: Progress) -> Units:
    assert given.script is not None  # as `given_words` found
    assert given.speller is not None
    assert given.renderer is not None
    speller = load_speller(given.speller, Running(options.device, options.precision))
    voice = TextVoice.load(speller, given.renderer, options.to, duration_scale(options.speed), options)
    telling = voice.tell(given.script, progress)
    write_speech_pieces(path, telling)
    return telling.units


def _say_units(given: Given, path: Path, options: PortraitOptions, progress: Progress) -> Units:
    assert given.units is not None  # as `given_words` found
    assert given.renderer is not None
    vocoder = load_voice(given.renderer, Running(options.device, options.precision, target=options.to))
    voice = speaker_voice(options, vocoder)
    with units_of(given.units):
        codes = from_reference_codes(read_unit_file(given.units), vocoder.language)
        timed = vocoder.predict_durations(codes, duration_scale(options.speed))
        write_speech_pieces(path, track(vocoder.iter_synthesize(timed, voice), "speech", progress))
    return timed
