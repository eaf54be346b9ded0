"""The voices that come with the bundle by name, measured once on recordings of the Korean teacher.

    python -m recipes.demo.recipe.named_voices voices.npz

Each is the mean vector and the pitch of a style, or of a point between two, saying a few sentences that the voice learns too.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.contracts import SpeakerVoice
from avcore.files import Output
from avcore.progress import Progress, bars, silent, track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from netflips.cascade.kokoro import NaturalVoice, natural_speech
from recipes.demo.voices.cast import cast, training_pairs
from unit2av.speaker import SpeakerEncoder, voice_of
from unit2av.voice.named import write_named_voices


def named_voices(progress: Progress = silent) -> dict[str, SpeakerVoice]:
    """Measure the voices of the cast, the default first. Raises InputError where the natural voices are not installed."""
    own, encoder = cast().settings["named"], SpeakerEncoder.from_checkpoint()
    pairs = training_pairs()
    texts = [one.korean for one in pairs[:: len(pairs) // own["takes"]][: own["takes"]]]
    return {
        name: _measured(texts, NaturalVoice(tuple(shares.items()), own["speed"], language="ko"), encoder)
        for name, shares in track(own["voices"].items(), "voices", progress, len(own["voices"]))
    }


def _measured(texts: Sequence[str], voice: NaturalVoice, encoder: SpeakerEncoder) -> SpeakerVoice:
    takes = [natural_speech(text, voice) for text in texts]
    return voice_of(np.concatenate([resample(one.samples, one.rate, SAMPLE_RATE) for one in takes]), encoder)


def build_parser() -> Parser:
    """Return the command line."""
    parser = Parser(prog="recipes.demo.recipe.named_voices", description="Measure the voices that come with the bundle by name.")
    parser.add_argument("out_path", type=Output("the named voices"), help="voices.npz beside the renderer")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    with bars(options.quiet) as progress:
        voices = named_voices(progress)
    write_named_voices(options.out_path, voices)
    pitches = ", ".join(f"{name} {one.pitch.hz:.0f} Hz" for name, one in voices.items() if one.pitch is not None)
    LOG.info("%s: %s", options.out_path, pitches)


if __name__ == "__main__":
    sys.exit(main())
