"""Write made-up unit pairs in Ko-X's true shape, to rehearse a training on: `python recipes/kox/true_shape.py --help`.

`shape.json` has the lengths of 2,000 pairs drawn from the 150,660 of Ko-X's training, and how often each unit occurs there, both
counted in the binarised index that was published with the NetfLips student project. The pairs have no meaning: a sentence is words
of a made-up lexicon, a word has one form of units in each language, and the target has the words of each clause in reverse order.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avcore.command import LOG
from avcore.errors import UsageError
from avcore.flags import Command, QuietOptions, flag
from avcore.units import Ids, format_units
from unit2unit.training.corpus import new_folder, require_free

SHAPE = Path(__file__).with_name("shape.json")
_LANGUAGES = ("en", "ko")
_WORDS, _ZIPF, _CLAUSE = 300, 0.9, 5
_FORM = (4, 14)
"""Number of units in a word's form: least, and upper bound (excluded)."""
_MISTAKES = 0.03
"""Share of units that are replaced by another, as errors of an encoder."""
_SPREAD = 0.4
"""Deviation of the drawn words' length ratio between the languages (logarithm) from that of the rest of the sentence."""
Side = tuple[Ids, Ids]


@dataclass(frozen=True)
class Lexicon:
    """Made-up words."""

    forms: list[Side]
    """units int64 [U] of each word, English and Korean"""
    shares: Side
    """how often each unit occurs, by language"""

    @classmethod
    def drawn(cls, shape: dict[str, Any], random: np.random.Generator) -> "Lexicon":
        """Draw words whose units have the frequencies of the corpus."""
        counts = [np.array(shape["unit_counts"][language], np.float64) for language in _LANGUAGES]
        english, korean = (one / one.sum() for one in counts)
        words = [
            (
                _without_repeats(english, int(random.integers(*_FORM)), random),
                _without_repeats(korean, int(random.integers(*_FORM)), random),
            )
            for _ in range(_WORDS)
        ]
        return cls(words, (english, korean))

    def pair(self, lengths: tuple[int, int], random: np.random.Generator) -> Side:
        """Return a sentence with these numbers of units, English and Korean; the last word is cut to fit."""
        sizes = np.array([[len(form) for form in word] for word in self.forms], np.float64)
        frequency = 1 / np.arange(1, _WORDS + 1) ** _ZIPF
        left, words = np.array(lengths, np.float64), list[int]()

        while (left > 0).any():
            # Words are drawn whose forms differ in length as what is left of the two sides does, so that both end together.
            wanted = np.log(np.maximum(left[1], 1) / np.maximum(left[0], 1))
            nearness = np.exp(-((np.log(sizes[:, 1] / sizes[:, 0]) - wanted) ** 2) / (2 * _SPREAD**2))
            # 1e-9: where no word fits, any word may be drawn.
            weights = frequency * (nearness + 1e-9)
            words.append(int(random.choice(_WORDS, p=weights / weights.sum())))
            left -= sizes[words[-1]]

        clauses = [words[begin : begin + _CLAUSE] for begin in range(0, len(words), _CLAUSE)]
        orders = words, [word for clause in clauses for word in reversed(clause)]
        sides = (np.concatenate([self.forms[word][side] for word in orders[side]])[: lengths[side]] for side in range(2))
        english, korean = (  # with errors of an encoder
            np.where(random.random(len(units)) < _MISTAKES, random.choice(len(share), size=len(units), p=share), units)
            for units, share in zip(sides, self.shares, strict=True)
        )

        return english, korean


def _without_repeats(shares: Ids, length: int, random: np.random.Generator) -> Ids:
    units = random.choice(len(shares), size=4 * length, p=shares)  # enough are left without the repeats
    return np.asarray(units[np.append(True, units[1:] != units[:-1])][:length])


@dataclass(frozen=True, kw_only=True)
class ShapeOptions(QuietOptions):
    """Write made-up unit pairs in Ko-X's true shape, for a rehearsal."""

    out_dir: Path = flag(metavar="DIR")
    """folder for {train,valid,test}.{en,ko}"""
    pairs: int = flag(default=2000)
    """pairs to train on (default: 2000)"""
    held_out: int = flag(default=100)
    """pairs to validate on, and as many to test on (default: 100)"""
    scale: float = flag(default=1.0)
    """lengths times this, for a quick try (default: 1)"""
    seed: int = flag(default=0)
    """of words and sentences (default: 0)"""


def write_shape(options: ShapeOptions) -> None:
    """Do the work of the command."""
    if options.pairs < 1 or options.held_out < 1 or not options.scale > 0:
        raise UsageError("--pairs, --held-out and --scale must be above 0")
    require_free(options.out_dir, False, [])

    shape, random = json.loads(SHAPE.read_text(encoding="utf-8")), np.random.default_rng(options.seed)
    lexicon = Lexicon.drawn(shape, random)
    lengths = np.array([shape["lengths"][language] for language in _LANGUAGES]).T

    with new_folder(options.out_dir) as folder:
        for split, number in (("train", options.pairs), ("valid", options.held_out), ("test", options.held_out)):
            chosen = lengths[:number] if split == "train" and number <= len(lengths) else random.choice(lengths, number)
            scaled = np.maximum(1, np.round(chosen * options.scale)).astype(int)
            pairs = [lexicon.pair((int(one[0]), int(one[1])), random) for one in scaled]
            for side, language in enumerate(_LANGUAGES):
                lines = "".join(f"{format_units(pair[side])}\n" for pair in pairs)
                (folder / f"{split}.{language}").write_text(lines, encoding="utf-8")
    LOG.info("%s: %d pairs to train on, %d to validate on, %d to test on", options.out_dir, options.pairs, *[options.held_out] * 2)


_COMMAND = Command(ShapeOptions, "true_shape.py", write_shape)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
