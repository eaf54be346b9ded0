"""Whether translations of several lengths fit their time better, and are right as often.

    python -m recipes.demo.evaluate.lengths --number 60

Held-out sentences in natural voices that no training heard are translated: as long as their source alone, and in all lengths, of
which the one that fits is taken. A translation is right if a form of its sentence is nearest to its units, of all sentences of the
phrasebook as the text-to-unit model has them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avcore.command import Parser, add_quiet_options, run
from avcore.notes import json_text, print_text
from avcore.progress import bars, track
from avcore.timeline import samples_to_seconds, units_to_seconds
from avcore.units import Ids, edit_distances
from netflips.bundles.paths import bundle_paths
from netflips.dubbing.timing import easy_room
from netflips.dubbing.wordings import Wording, best_wording
from netflips.model_paths import RunOptions
from netflips.models import Models, load_models
from netflips.script.types import PACE
from recipes.demo.evaluate.material import EvaluationSettings, plan_clip, synthesised_speech
from recipes.demo.voices.cast import held_out_pairs
from recipes.demo.voices.phrasebook import phrasebook
from text2unit.stage import SPELLER
from unit2unit.model import LENGTH_TAGS
from unit2unit.translator import UnitTranslator


def known_forms(models: Models) -> list[tuple[str, Ids]]:
    """Return the English and the Korean units of all sentences of the phrasebook, and of the other forms of those held out."""
    speller = models.other(SPELLER, "ko")
    texts = [(pair.english, pair.korean) for pair in phrasebook().all_pairs()]
    texts += [(pair.english, form) for pair in held_out_pairs() for _, form in pair.forms]
    return [(english, speller.units_of(text, "ko").ids) for english, text in texts]


def measure(models: Models, number: int, lengths: tuple[str, ...]) -> dict[str, float]:
    """Return how many of the translations fit (pace 0.9 to 1.1), and how many are right."""
    translator = models.translator
    assert isinstance(translator, UnitTranslator)
    translator.lengths = lengths
    forms, fits, rights = known_forms(models), list[bool](), list[bool]()
    with bars(False) as progress:
        for index in track(range(number), "translate", progress, number):
            plan = plan_clip("natural", index, EvaluationSettings())
            speech = synthesised_speech(plan.text, plan.voice)
            heard = replace(models.extractor.extract(speech), language="en")
            made = translator.translate(heard, "en", "ko")
            wordings = list[tuple[Wording, Ids]]()
            for one in (made, *made.others):
                spoken = models.vocoder.predict_durations(one.units)
                wordings.append((Wording("", seconds=float(units_to_seconds(spoken.num_steps))), one.units.ids))
            slot_s = float(samples_to_seconds(len(speech)))
            best = best_wording([wording for wording, _ in wordings], slot_s, easy_room(slot_s, 0.0))
            fits.append(best.fits(slot_s, slot_s))
            said = next(ids for wording, ids in wordings if wording is best)
            distances = edit_distances(said, [ids for _, ids in forms])
            rights.append(forms[int(np.argmin(distances))][0] == plan.text)
    return {f"pace {PACE[0]:g} to {PACE[1]:g}": float(np.mean(fits)), "right": float(np.mean(rights))}


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="lengths", description="Measure how translations in one length and in three fit.")
    parser.add_argument("--number", type=int, default=60, help="sentences (default: 60)")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    models = load_models(bundle_paths(), "en", "ko", RunOptions())
    for lengths in (("even",), tuple(LENGTH_TAGS)):
        print_text(json_text({"lengths": list(lengths), **measure(models, options.number, lengths)}))


if __name__ == "__main__":
    sys.exit(main())
