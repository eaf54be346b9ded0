"""Whether translations of several lengths fit their time better, and are right as often.

    python -m recipes.demo.evaluate.lengths --number 60

Held-out sentences in natural voices that no training heard are translated: as long as their source alone, and in all lengths, of
which the one that fits is taken. A translation is right if a form of its sentence is nearest to its units, of all sentences of the
phrasebook as the text-to-unit model has them.
"""

import sys
from dataclasses import dataclass, replace

import numpy as np

from avcore.flags import Command, QuietOptions, flag
from avcore.notes import json_text, print_text
from avcore.progress import bars, track
from avcore.timeline import samples_to_seconds, units_to_seconds
from avcore.units import Ids, edit_distances
from netflips.dubbing.timing import easy_room
from netflips.dubbing.wordings import Wording, best_wording
from netflips.model_paths import RunOptions, bundle_paths
from netflips.models import Models, load_models
from netflips.script.types import PACE
from recipes.demo.evaluate.material import plan_clip, synthesised_speech
from recipes.demo.voices.cast import held_out_pairs
from recipes.demo.voices.phrasebook import phrasebook
from text2unit.stage import SPELLER
from unit2unit.model import LENGTH_TAGS
from unit2unit.translator import UnitTranslator


@dataclass(frozen=True, kw_only=True)
class LengthsOptions(QuietOptions):
    """Measure how translations in one length and in three fit."""

    number: int = flag(default=60)
    """sentences (default: 60)"""


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
            plan = plan_clip("natural", index)
            speech = synthesised_speech(plan.text, plan.voice)
            made = translator.translate(replace(models.extractor.extract(speech), language="en"), "en", "ko")
            units = [made.units, *(other.units for other in made.others)]
            steps = [models.vocoder.predict_durations(one).num_steps for one in units]
            wordings, slot_s = [Wording("", seconds=float(units_to_seconds(one))) for one in steps], samples_to_seconds(len(speech))
            best = best_wording(wordings, float(slot_s), easy_room(float(slot_s), 0.0))
            fits.append(best.fits(float(slot_s), float(slot_s)))
            said = next(one.ids for wording, one in zip(wordings, units, strict=True) if wording is best)
            distances = edit_distances(said, [ids for _, ids in forms])
            rights.append(forms[int(np.argmin(distances))][0] == plan.text)
    return {f"pace {PACE[0]:g} to {PACE[1]:g}": float(np.mean(fits)), "right": float(np.mean(rights))}


def _work(options: LengthsOptions) -> None:
    models = load_models(bundle_paths(), "en", "ko", RunOptions())
    for lengths in (("even",), tuple(LENGTH_TAGS)):
        print_text(json_text({"lengths": list(lengths), **measure(models, options.number, lengths)}))


_COMMAND = Command(LengthsOptions, "lengths", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
