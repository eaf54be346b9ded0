"""The work of `unit2av.inference_unit2a`: units from a file, in a voice, to a wav."""

from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import LOG
from avcore.errors import InputError
from avcore.files import require_file, require_place
from avcore.flags import declared_in
from avcore.media import write_speech
from avcore.outputs import check_files
from avcore.plain_text import several
from avcore.progress import bars
from avcore.texts import read_json
from avcore.timeline import units_to_seconds
from avcore.units import Units, from_reference_codes, read_unit_file, units_of
from avcore.units.vocabulary import normalise_language
from avdata.published.items import read_unit_item
from unit2av.inference_options import SpeakOptions
from unit2av.model import open_training_checkpoint
from unit2av.speaker import SpeakerEncoder
from unit2av.speakers.voice_of import read_voice
from unit2av.stage import RENDERER
from unit2av.voice.speech import UnitVocoder

_ITEM_SUFFIX = "_preprocessed"


def speak_file(options: SpeakOptions) -> None:
    """Units from a text file, in the voice of a recording."""
    path = checkpoint_or_bundle(options.unit2av_path, RENDERER)
    assert options.units is not None  # as the options say
    assert options.voice is not None
    assert options.out is not None
    given, out = options.voice, options.out
    codes = read_unit_file(options.units)
    language = normalise_language(options.to)
    device = options.device
    vocoder = UnitVocoder.from_checkpoint(path, language, device, options.precision, options.vocoder_unit_offset)
    units = Units.from_frames(codes[codes >= 0], language) if not options.durations else from_reference_codes(codes, language)
    voice = read_voice(given, lambda: SpeakerEncoder.from_checkpoint(options.speaker_encoder_path, device))
    with units_of(options.units):
        _speak(vocoder, units, voice, out, options)


def speak_item(options: SpeakOptions) -> None:
    """Frame-level units and their voice from one .pt file, said by a training checkpoint."""
    assert options.input_file is not None  # as the options say
    assert options.checkpoint is not None
    stem = options.input_file.stem
    step = options.checkpoint.stem.removeprefix("g_")
    out = options.output_folder / f"{stem[: -len(_ITEM_SUFFIX)]}_{step}step.wav"
    check_files(declared_in(options), writes={"the output wav": out})
    item = read_unit_item(options.input_file)
    checkpoint = open_training_checkpoint(options.checkpoint, options.to, _read_settings(options.config))
    vocoder = UnitVocoder.from_checkpoint(checkpoint, options.to, options.device, options.precision, options.vocoder_unit_offset)
    require_place(out, "the output wav")
    units = Units.from_frames(item.codes, vocoder.language)
    with units_of(options.input_file):
        _speak(vocoder, units, item.speaker, out, options)


def _speak(vocoder: UnitVocoder, units: Units, voice: Any, out: Path, options: SpeakOptions) -> None:
    with bars(options.quiet) as progress:
        speech = vocoder.synthesize(units, voice, 1 / options.speed, progress)
    write_speech(out, speech.samples)
    LOG.info("%s: %s, %.2f s of speech", out, several(len(speech.units), "unit"), units_to_seconds(speech.units.num_steps))


def _read_settings(path: Path | None) -> dict[str, Any]:
    """Return what a published config.json says about the sizes that tensors can't tell; no file: the published sizes."""
    if path is None:
        return {}
    content = read_json(require_file(path, "the vocoder's configuration"), "the vocoder's configuration")
    if not isinstance(content, dict):
        raise InputError("the configuration is not a JSON object", path=path, found=type(content).__name__)
    names = {"upsample_rates": "upsample_rates", "resblock_dilation_sizes": "dilations"}
    return {own: content[name] for name, own in names.items() if name in content}
