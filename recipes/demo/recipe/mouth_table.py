"""The table of the bundle's mouth, learnt from the movement of drawn mouths for the phonemes of the material.

    python -m recipes.demo.recipe.mouth_table data/phones.json mouth.npz

The truth is known exactly here: it is the mouth track that moves the drawn heads, in both languages. For other units, learn from
video: `python -m unit2av.train_mouth`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG
from avcore.data.unit_store import UnitRow, iter_units
from avcore.files import Input, Output, require_file
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.progress import Progress, bars, silent, track
from avcore.speech.espeak import Phoneme
from avcore.timeline import frames_to_seconds, units_to_frames
from recipes.demo.heads.motion import mouth_track, visemes_of
from recipes.demo.material.phones import Phones
from unit2av.lipsync.mesh.learn import Examples, learn_table
from unit2av.lipsync.mesh.table import MouthTable

_PRESS_SPREAD = 0.02
"""Seconds in which the press of the lips falls to a third before and after a phoneme."""
_REFERENCES = "_en_0", "_ko_0"
"""Endings of the ids of takes in the reference voices."""
_LIP_STRENGTH = 2.5
"""Least strength of visemes for which the lips are pressed together."""


def bundle_table(phones: Phones, labelled: Sequence[UnitRow], progress: Progress = silent) -> MouthTable:
    """Learn a table for phones as units. labelled: units of takes with durations, whose ids have the language (`s0001_ko_0`)."""
    examples = Examples(len(phones.names))
    for row in track(labelled, "sentences", progress, len(labelled)):
        language, frames = row.id.split("_")[1], row.units.frames()
        examples.add(frames, true_parameters(phones.phonemes(row.units), units_to_frames(len(frames)), language))
    return learn_table(examples, phones.vocabulary)


def true_parameters(phonemes: Sequence[Phoneme], num_frames: int, language: str) -> NDArray[np.float64]:
    """Return opening, width and press of a mouth that speaks phonemes, for each frame at 25 Hz: float64 [num_frames, 3]."""
    opening, width = mouth_track(phonemes, num_frames, language)
    times = np.array([float(frames_to_seconds(2 * frame + 1)) / 2 for frame in range(num_frames)])
    press = np.zeros(num_frames)

    for mnemonic, start, end in phonemes:
        if any(target.strength >= _LIP_STRENGTH for target in visemes_of(mnemonic, language)):
            away = np.maximum(0, np.maximum(start - times, times - end))
            press = np.maximum(press, np.exp(-away / _PRESS_SPREAD))

    return np.stack([opening, width, press], axis=1).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class MouthTableOptions(QuietOptions):
    """Learn the table of the bundle's mouth."""

    phones: Path = positional("PHONES", file=Input("the phones"))
    """phones.json of the material: which phone each unit is"""
    out_path: Path = positional("OUT", file=Output("the mouth's table"))
    """mouth.npz beside the renderer"""
    labels: Path | None = flag(default=None, file=Input("the labels"))
    """labels of the material's takes (default: labels/clean.units.jsonl beside the phones)"""
    sentences: int = flag(default=0)
    """of the material, for a quick try (default: all)"""


def _work(options: MouthTableOptions) -> None:
    labels = options.labels or options.phones.parent / "labels" / "clean.units.jsonl"
    phones = Phones.read(options.phones)
    references = [row for row in iter_units(require_file(labels, "the labels")) if row.id.endswith(_REFERENCES)]
    step = max(len(references) // options.sentences, 1) if options.sentences else 1

    with bars(options.quiet) as progress:
        table = bundle_table(phones, references[::step], progress)
    table.save(options.out_path)
    LOG.info("%s: %d units, %d bytes", options.out_path, table.num_units, options.out_path.stat().st_size)


_COMMAND = Command(MouthTableOptions, "recipes.demo.recipe.mouth_table", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
