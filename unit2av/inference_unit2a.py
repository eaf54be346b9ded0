"""Say units: `python -m unit2av.inference_unit2a --in-unit-path x.txt --speaker-path voice.wav --out-wav-path x.wav ...`.

The published command's own flags work too: `--checkpoint g_00500000 --config config.json --input_file X.pt`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avcore.bundle import checkpoint_or_bundle
from avcore.checkpoint_layouts import Kind
from avcore.command import LOG, add_common_options, device_name, run
from avcore.errors import InputError, UsageError
from avcore.files import require_file, require_writable
from avcore.media import write_speech
from avcore.progress import bars
from avcore.timeline import units_to_seconds
from avcore.unit_files import read_unit_file, units_of
from avcore.units import Units, from_reference_codes
from avcore.vocabulary import normalise_language
from unit2av.items import read_unit_item
from unit2av.model import open_training_checkpoint
from unit2av.offsets import OffsetSetting
from unit2av.speaker import SpeakerEncoder
from unit2av.speech import Speech, UnitVocoder
from unit2av.voice import read_voice

_ITEM_SUFFIX = "_preprocessed"
_NEEDED = ("in_unit_path", "speaker_path", "out_wav_path")
_NEEDED_AS_PUBLISHED = ("checkpoint", "input_file")


def unit_offset(text: str) -> OffsetSetting:
    """Read the value of --vocoder-unit-offset."""
    if text == "auto":
        return "auto"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected auto or a whole number of 0 or more, found {text!r}")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="unit2a", description="Turn units into speech in a given voice.")
    parser.add_argument("--in-unit-path", type=Path, help="units as text: ids 0..999 with blanks between")
    parser.add_argument("--speaker-path", type=Path, help="the voice: x.wav, any other sound or video file, x.npy or x.npz")
    parser.add_argument("--out-wav-path", type=Path, help="the speech, 16 kHz 16-bit wav")
    parser.add_argument("--tgt-lang", default="ko", help="the language of the units (default: ko)")
    parser.add_argument("--unit2av-path", type=Path, help="unit_av_renderer_withKO.pt or another renderer (default: the bundle's)")
    parser.add_argument("--speaker-encoder-path", type=Path, help="encoder.pt (default: the weights that resemblyzer carries)")
    parser.add_argument(
        "--vocoder-unit-offset", type=unit_offset, default="auto", metavar="N|auto",
        help="row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)",
    )  # fmt: skip
    parser.add_argument("--no-durations", action="store_true", help="the ids are frames of 20 ms already: predict no durations")
    parser.add_argument("--duration-scale", type=float, default=1.0, help="above 1 speaks slower (default: 1)")
    published = parser.add_argument_group("as the published command (units and voice in one .pt, frames of 20 ms)")
    published.add_argument("--checkpoint", type=Path, help="vocoder training checkpoint, g_XXXXXXXX")
    published.add_argument("--config", type=Path, help="its config.json")
    published.add_argument("--input_file", type=Path, help="X_preprocessed.pt with code and spkr")
    published.add_argument("--output_folder", type=Path, default=Path("output/unit2a"), help="default: output/unit2a")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    is_as_published = options.checkpoint is not None or options.input_file is not None
    names = _NEEDED_AS_PUBLISHED if is_as_published else _NEEDED
    missing = [_flag(name) for name in names if getattr(options, name) is None]
    if missing:
        raise UsageError(f"missing: {', '.join(missing)}", hint="see --help")
    if is_as_published:
        _speak_item(options)
    else:
        _speak_file(options)


def _speak_file(options: argparse.Namespace) -> None:
    """Units from a text file, in the voice of a recording."""
    path = checkpoint_or_bundle(options.unit2av_path, Kind.RENDERER)
    out = require_writable(options.out_wav_path, "the output wav")
    inputs = (options.in_unit_path, options.speaker_path, options.unit2av_path, options.speaker_encoder_path)
    if out.resolve() in [path.resolve() for path in inputs if path is not None]:
        raise UsageError("the output is one of the inputs", found=out, hint="choose another --out-wav-path")
    codes = read_unit_file(options.in_unit_path)
    language = normalise_language(options.tgt_lang)
    device = device_name(options)
    vocoder = UnitVocoder.from_checkpoint(path, language, device, options.precision, options.vocoder_unit_offset)
    units = Units.from_frames(codes[codes >= 0], language) if options.no_durations else from_reference_codes(codes, language)
    voice = read_voice(options.speaker_path, lambda: SpeakerEncoder.from_checkpoint(options.speaker_encoder_path, device))
    with units_of(options.in_unit_path):
        _speak(vocoder, units, voice, out, options)


def _speak_item(options: argparse.Namespace) -> None:
    """Frame-level units and their voice from one .pt file, said by a training checkpoint."""
    item = read_unit_item(options.input_file)
    checkpoint = open_training_checkpoint(options.checkpoint, options.tgt_lang, _read_settings(options.config))
    vocoder = UnitVocoder.from_checkpoint(
        checkpoint, options.tgt_lang, device_name(options), options.precision, options.vocoder_unit_offset
    )
    stem = options.input_file.stem
    step = options.checkpoint.stem.removeprefix("g_")
    out = require_writable(options.output_folder / f"{stem[: -len(_ITEM_SUFFIX)]}_{step}step.wav", "the output wav")
    units = Units.from_frames(item.codes, vocoder.language)
    with units_of(options.input_file):
        _speak(vocoder, units, item.speaker, out, options)


def _speak(vocoder: UnitVocoder, units: Units, voice: Any, out: Path, options: argparse.Namespace) -> None:
    with bars(options.quiet) as progress:
        speech = vocoder.synthesize(units, voice, options.duration_scale, progress)
    write_speech(out, speech.samples)
    LOG.info("%s: %d units, %.2f s of speech", out, len(speech.units), units_to_seconds(speech.units.num_steps))


def _read_settings(path: Path | None) -> dict[str, Any]:
    """What a published config.json says about the sizes that tensors can't tell; no file: the published sizes."""
    if path is None:
        return {}
    try:
        content = json.loads(require_file(path, "the vocoder's configuration").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("the configuration is not JSON", path=path, found=error) from error
    if not isinstance(content, dict):
        raise InputError("the configuration is not a JSON object", path=path, found=type(content).__name__)
    names = {"upsample_rates": "upsample_rates", "resblock_dilation_sizes": "dilations"}
    return {own: content[name] for name, own in names.items() if name in content}


def _flag(name: str) -> str:
    return f"--{name}" if name in _NEEDED_AS_PUBLISHED else f"--{name.replace('_', '-')}"


__all__ = ["Speech", "UnitVocoder", "build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
