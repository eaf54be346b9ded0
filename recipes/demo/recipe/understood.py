"""How often the measure of what is understood is wrong: `python -m recipes.demo.recipe.understood --count 60`.

Sentences of a bundle's phrasebook, sentences that are none of it, and known ones with one unknown word, in voices that training
never heard, sound alone, half of it with noise; each by itself, as a short clip. Needs espeak-ng; natural voices where installed.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from av2unit.extractor import UnitExtractor
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.command import LOG, Parser, add_quiet_options, run
from netflips.bundles.describe import check_bundle
from netflips.bundles.references import nearest_reference, read_references
from netflips.stages import SHIPPED
from netflips.understanding import GRADES, of_utterance, repeats_a_stretch
from recipes.demo.recipe.probes import kinds_here, one_word_sentences, outside_sentences, probe_bundle
from unit2unit.stage import TRANSLATOR
from unit2unit.translator import UnitTranslator


def measure_understanding(bundle: Bundle, count: int, seed: int) -> dict[str, Counter[str]]:
    """Count the grades of sentences inside, outside, and with one unknown word; of those inside also which come out right."""
    extractor = UnitExtractor.from_checkpoint(bundle.checkpoint(UNIT_ENCODER))
    translator = UnitTranslator.from_checkpoint(bundle.checkpoint(TRANSLATOR))
    references, kinds = read_references(bundle.references), kinds_here()
    rng = np.random.default_rng([seed, 48])
    drawn = [references[int(number)].translation for number in rng.integers(len(references), size=count)]
    counts: dict[str, Counter[str]] = {}
    for name, texts in (("inside", drawn), ("outside", outside_sentences()[:count]), ("one word", one_word_sentences()[:count])):
        for number, text in enumerate(texts):
            heard = extractor.extract_scored(probe_bundle(text, kinds[number % len(kinds)], rng))
            made = translator.translate(heard.units, str(bundle.about["source"]), str(bundle.about["target"]))
            readings = [*heard.readings(extractor.domain), *translator.readings(made.score, made.weakest)]
            repeats = repeats_a_stretch(made.units.ids) and not repeats_a_stretch(heard.units.ids)
            found = of_utterance(readings, heard.known, is_cut=made.truncated, repeats=repeats)
            is_right = name == "inside" and nearest_reference(made.units, references).reference.translation == text
            counts.setdefault(name, Counter())[found.grade] += 1
            counts.setdefault(f"{name}, right", Counter())[found.grade] += is_right
            LOG.debug("%s: %s: %s", name, text, found.words())
        LOG.info("%s: %s", name, _told(counts[name]))
    return counts


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{grade} {counts[grade]}" for grade in GRADES if counts[grade])


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="understood", description="Count the grades of sentences that a bundle knows and of others.")
    parser.add_argument("bundle", type=Path, nargs="?", default=SHIPPED, help="the bundle's folder (default: the shipped one)")
    parser.add_argument("--count", type=int, default=60, help="sentences of each kind (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of sentences, voices and noise (default: 0)")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    counts = measure_understanding(check_bundle(options.bundle), options.count, options.seed)
    LOG.info("inside, and translated rightly: %s", _told(counts["inside, right"]))


if __name__ == "__main__":
    sys.exit(main())
