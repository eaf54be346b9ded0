"""The table of the bundle's mouth, learnt from what the reference voices' phonemes make a drawn mouth do.

    python -m workshop.recipe.mouth_table data/phones.json mouth.npz

The truth is known here to the number: the same track of the mouth that moves the drawn heads, in both languages. For other units,
learn from video: `python -m unit2av.train_mouth`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG, Parser, run
from avcore.outputs import keep_apart
from avcore.progress import Progress, bars, silent, track
from avcore.timeline import frames_to_seconds, samples_to_seconds, seconds_to_units, units_to_frames
from avcore.usage import add_quiet_options
from avdata.prepare.espeak import Phoneme
from unit2av.mouths.mesh.fit import Examples, learn_table
from unit2av.mouths.mesh.table import MouthTable
from workshop.heads.motion import mouth_track, visemes_of
from workshop.material.phones import Phones
from workshop.voices.cast import cast, say, training_pairs

_PRESS_SPREAD = 0.02
"""Seconds in which pressed lips come and go."""
_LIP_STRENGTH = 2.5
"""Of the visemes of p, b and m, for which the lips are pressed together."""


def bundle_table(phones: Phones, sentences: int = 0, progress: Progress = silent) -> MouthTable:
    """Learn a table for phones as units. sentences: so many of the phrasebook, spread evenly, 0 = all that models learn from."""
    pairs = training_pairs()
    pairs = pairs if not 0 < sentences < len(pairs) else [pairs[n * len(pairs) // sentences] for n in range(sentences)]
    examples = Examples(len(phones.names))
    for pair in track(pairs, "sentences", progress, len(pairs)):
        for language, text in (("en", pair.english), ("ko", pair.korean)):
            spoken = say(text, cast().reference(language))
            steps = seconds_to_units(samples_to_seconds(len(spoken.samples), spoken.rate))
            units = phones.units(spoken.phonemes, steps, language)
            examples.add(units.frames(), true_parameters(phones.phonemes(units), units_to_frames(steps), language))
    return learn_table(examples, phones.vocabulary)


def true_parameters(phonemes: Sequence[Phoneme], num_pictures: int, language: str) -> NDArray[np.float64]:
    """What a mouth does that says phonemes: opening, width and press of each picture at 25 Hz, float64 [num_pictures, 3]."""
    opening, width = mouth_track(phonemes, num_pictures, language)
    times = np.array([float(frames_to_seconds(2 * frame + 1)) / 2 for frame in range(num_pictures)])
    press = np.zeros(num_pictures)
    for mnemonic, start, end in phonemes:
        if any(target.strength >= _LIP_STRENGTH for target in visemes_of(mnemonic, language)):
            away = np.maximum(0, np.maximum(start - times, times - end))
            press = np.maximum(press, np.exp(-away / _PRESS_SPREAD))
    return np.stack([opening, width, press], axis=1).astype(np.float64)


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="workshop.recipe.mouth_table", description="Learn the table of the bundle's mouth.")
    parser.add_argument("phones", type=Path, help="phones.json of the material: which phone each unit is")
    parser.add_argument("out_path", type=Path, help="mouth.npz beside the renderer")
    parser.add_argument("--sentences", type=int, default=0, help="of the phrasebook, for a quick try (default: all)")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    keep_apart({"the mouth's table": options.out_path}, {"the phones": options.phones})
    with bars(options.quiet) as progress:
        table = bundle_table(Phones.read(options.phones), options.sentences, progress)
    table.save(options.out_path)
    LOG.info("%s: %d units, %d bytes", options.out_path, table.num_units, options.out_path.stat().st_size)


if __name__ == "__main__":
    sys.exit(main())
