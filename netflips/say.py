"""`netflips say "안녕하세요?" --out-path x.wav`: Korean text to speech, over units (text to speech, TTS)."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.bundle import checkpoint_or_bundle, find_bundle
from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.errors import UsageError
from avcore.files import require_file, require_place
from avcore.loading import loading
from avcore.outputs import keep_apart
from avcore.progress import bars, track
from avcore.timeline import samples_to_seconds, seconds_to_samples
from avcore.units.files import write_unit_file
from avcore.units.vocabulary import normalise_language
from netflips.dub.timing import scale_durations
from text2unit.inference import add_text_options, given_script, text_file, warn_of_strange
from text2unit.script import Script
from text2unit.stage import SPELLER
from unit2av.stage import RENDERER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from text2unit.speller import Spelling, TextSpeller
    from unit2av.voice.speech import SpeakerVoice, UnitVocoder

_PROG = "netflips say"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Speak Korean text in a given voice.")
    add_text_options(parser)
    parser.add_argument("--out-path", type=Path, metavar="WAV", help="the speech, 16 kHz 16-bit wav")
    parser.add_argument("--units-path", type=Path, metavar="FILE", help="its units, one line, for `netflips speak` and `render`")
    whose = "the voice: a recording, a video, x.npy or x.npz (default: a voice of nobody's)"
    parser.add_argument("--speaker-path", type=Path, metavar="FILE", help=whose)
    parser.add_argument("--text2unit-path", type=Path, metavar="FILE", help="a speller (default: the bundle's, where it has one)")
    renderer = "unit_av_renderer_withKO.pt or another renderer (default: the bundle's)"
    parser.add_argument("--unit2av-path", type=Path, metavar="FILE", help=renderer)
    parser.add_argument("--speaker-encoder-path", type=Path, metavar="FILE", help="encoder.pt (default: resemblyzer's weights)")
    parser.add_argument("--duration-scale", type=float, default=1.0, metavar="X", help="above 1 speaks slower (default: 1)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def speller_path(given: Path | None, language: str) -> Path:
    """The speller to use: the one that was given, else the bundle's of the language. Raises UsageError where there is neither."""
    if given is not None:
        return require_file(given, "the speller", hint=f"{SPELLER.flag} takes what `python -m text2unit.train export` writes")
    bundle = find_bundle()
    found = None if bundle is None else bundle.checkpoint(SPELLER, normalise_language(language))
    if found is None or not found.is_file():
        raise UsageError(
            f"missing: {SPELLER.flag}", found="no speller among the models that come with NetfLips",
            hint="docs/training_text2unit.md says how one is trained",
        )  # fmt: skip
    return found


def _work(options: argparse.Namespace) -> None:
    if options.out_path is None and options.units_path is None:
        raise UsageError("say where the speech goes", expected="--out-path x.wav, --units-path x.txt, or both")
    if not 0 < options.duration_scale < float("inf"):
        raise UsageError("--duration-scale must be above 0", found=options.duration_scale)
    script = given_script(options)
    path = speller_path(options.text2unit_path, options.lang)
    renderer = None if options.out_path is None else checkpoint_or_bundle(options.unit2av_path, RENDERER)
    inputs = {
        "the text": text_file(options), "the speller": path, "the renderer": renderer, "the voice": options.speaker_path,
        "the speaker encoder": options.speaker_encoder_path,
    }  # fmt: skip
    keep_apart({"the speech": options.out_path, "the units": options.units_path}, inputs)
    for out, what in ((options.out_path, "the speech"), (options.units_path, "the units")):
        if out is not None:
            require_place(out, what)
    with loading():
        from text2unit.speller import TextSpeller, join

    speller = TextSpeller.from_checkpoint(path, device_name(options), options.precision)
    speller.require_language(options.lang)  # before the voice is loaded
    spoken: list[Spelling] = []
    if renderer is None:
        spoken += _told(speller, script, options.lang)
    else:
        _speak(speller, script, renderer, spoken, options)
    units = join(spoken, speller.silence)
    if options.units_path is not None:
        write_unit_file(options.units_path, units.ids)
        LOG.info("%s: %d units of %d sentences", options.units_path, len(units), len(spoken))


def _told(speller: "TextSpeller", script: Script, language: str) -> "Iterator[Spelling]":
    """The units of each sentence; those that are hardly of the kind that the speller learnt are told."""
    for spelling in speller.spell(script.sentences, language):
        warn_of_strange(speller, spelling)
        yield spelling


def _speak(speller: "TextSpeller", script: Script, renderer: Path, spoken: "list[Spelling]", options: argparse.Namespace) -> None:
    """Write the speech, sentence by sentence; spoken: gets what was said."""
    with loading():
        from avcore.media import write_speech_pieces
        from unit2av.voice.speech import UnitVocoder

    vocoder = UnitVocoder.from_checkpoint(renderer, options.lang, device_name(options), options.precision)
    voice = _voice(options, vocoder)
    with bars(options.quiet) as progress:
        sentences = track(_told(speller, script, options.lang), "speech", progress, len(script.sentences))
        samples = write_speech_pieces(options.out_path, _pieces(sentences, vocoder, voice, options.duration_scale, spoken))
    seconds = float(samples_to_seconds(samples))
    LOG.info("%s: %d sentences, %.2f s of speech", options.out_path, len(spoken), seconds)


def _pieces(
    sentences: "Iterable[Spelling]", vocoder: "UnitVocoder", voice: "SpeakerVoice", scale: float, spoken: "list[Spelling]"
) -> "Iterator[NDArray[np.float32]]":
    """Samples of each sentence, and of the silence between two."""
    import numpy as np

    for spelling in sentences:
        if spoken:
            yield np.zeros(seconds_to_samples(spoken[-1].pause_s * scale), np.float32)
        units = spelling.units
        if units.durations is not None:
            steps = max(len(units), round(units.num_steps * scale))
            units = replace(units, durations=scale_durations(units.durations, steps))
        timed = units if units.durations is not None else vocoder.predict_durations(units, scale)
        yield from vocoder.iter_synthesize(timed, voice)
        spoken.append(spelling)


def _voice(options: argparse.Namespace, vocoder: "UnitVocoder") -> "SpeakerVoice":
    """The voice asked for, or the middle of all voices."""
    from unit2av.speaker import SpeakerEncoder
    from unit2av.speakers.voice_of import neutral_voice, read_voice

    if options.speaker_path is None:
        LOG.info("a voice of nobody's, as no --speaker-path is given")
        return neutral_voice(vocoder.speaker_dim)
    encoder = options.speaker_encoder_path
    return read_voice(options.speaker_path, lambda: SpeakerEncoder.from_checkpoint(encoder, device_name(options)))


if __name__ == "__main__":
    sys.exit(main())
