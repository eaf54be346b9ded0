"""`netflips say "안녕하세요?" --out-path x.wav`: Korean text to speech, over units (text to speech, TTS)."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.errors import UsageError
from avcore.files import require_place
from avcore.loading import loading
from avcore.outputs import keep_apart
from avcore.plain_text import several
from avcore.progress import bars
from avcore.timeline import samples_to_seconds
from avcore.units import write_unit_file
from netflips.stages import load_speller
from netflips.text_voice import TextVoice, add_voice_options, speller_path
from text2unit.inference import add_text_options, given_script, text_file, warn_of_strange
from text2unit.script import Script
from unit2av.stage import RENDERER

if TYPE_CHECKING:
    from text2unit.speller import Spelling, TextSpeller

_PROG = "netflips say"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Speak Korean text in a given voice.")
    add_text_options(parser)
    parser.add_argument("--out-path", type=Path, metavar="WAV", help="the speech, 16 kHz 16-bit wav")
    parser.add_argument("--units-path", type=Path, metavar="FILE", help="its units, one line, for `netflips speak` and `render`")
    add_voice_options(parser)
    renderer = "unit_av_renderer_withKO.pt or another renderer (default: the bundle's)"
    parser.add_argument("--unit2av-path", type=Path, metavar="FILE", help=renderer)
    parser.add_argument("--duration-scale", type=float, default=1.0, metavar="X", help="above 1 speaks slower (default: 1)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    if options.out_path is None and options.units_path is None:
        raise UsageError("say where the speech goes", expected="--out-path x.wav, --units-path x.txt, or both")
    if not 0 < options.duration_scale < float("inf"):
        raise UsageError("--duration-scale must be above 0", found=options.duration_scale)
    script = given_script(options)
    path = speller_path(options.text2unit_path, options.lang)
    renderer = None if options.out_path is None else checkpoint_or_bundle(options.unit2av_path, RENDERER)
    inputs = {
        "the text": text_file(options),
        "the speller": path,
        "the renderer": renderer,
        "the voice": options.speaker_path,
        "the speaker encoder": options.speaker_encoder_path,
    }
    keep_apart({"the speech": options.out_path, "the units": options.units_path}, inputs)
    for out, what in ((options.out_path, "the speech"), (options.units_path, "the units")):
        if out is not None:
            require_place(out, what)
    with loading():
        from text2unit.speller import join

    speller = load_speller(path, Running(device_name(options), options.precision))
    speller.require_language(options.lang)  # before the voice is loaded
    if renderer is None:
        spoken = list(_told(speller, script, options.lang))
    else:
        voice = TextVoice.load(speller, renderer, options.lang, options.duration_scale, options)
        spoken = _speak(voice, script, options)
    units = join(spoken, speller.silence)
    if options.units_path is not None:
        write_unit_file(options.units_path, units.ids)
        LOG.info("%s: %s of %s", options.units_path, several(len(units), "unit"), several(len(spoken), "sentence"))


def _told(speller: "TextSpeller", script: Script, language: str) -> "Iterator[Spelling]":
    """The units of each sentence; those that are hardly of the kind that the speller learnt are told."""
    for spelling in speller.spell(script.sentences, language):
        warn_of_strange(speller, spelling)
        yield spelling


def _speak(voice: TextVoice, script: Script, options: argparse.Namespace) -> "list[Spelling]":
    """Write the speech, sentence by sentence; returns what was said."""
    from avcore.media import write_speech_pieces

    with bars(options.quiet) as progress:
        telling = voice.tell(script, progress)
        samples = write_speech_pieces(options.out_path, telling)
    seconds = float(samples_to_seconds(samples))
    LOG.info("%s: %s, %.2f s of speech", options.out_path, several(len(telling.spellings), "sentence"), seconds)
    return telling.spellings


if __name__ == "__main__":
    sys.exit(main())
