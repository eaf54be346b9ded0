"""Parallel units for the translator: units of English takes, from sound or lips, and those of the sentence's Korean.

python -m recipes.demo.material.pairs --data data --units heard seen --text2unit text2unit.ko.safetensors --out-dir pairs

Before there is a unit encoder, the takes' labels serve as units: --units data/labels/clean.units.jsonl
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from avcore.command import LOG
from avcore.contracts import TextToUnitModel
from avcore.data.manifest import read_manifest
from avcore.data.unit_store import UnitRow, iter_units, read_units, write_units
from avcore.errors import InputError
from avcore.files import Input, check_files
from avcore.flags import Command, QuietOptions, flag
from avcore.units import Units
from recipes.demo.material.phones import Phones
from recipes.demo.voices.cast import held_out_english
from recipes.demo.voices.phrasebook import phrasebook
from text2unit.text_to_units import TextToUnits
from unit2unit.model import LENGTH_TAGS
from unit2unit.training.corpus import length_tag


@dataclass(frozen=True, kw_only=True)
class PairsOptions(QuietOptions):
    """Pair the units of English takes with those of the sentence's Korean."""

    data: Path = flag(metavar="DIR")
    """what make_demo_data made"""
    units: tuple[Path, ...] = flag(file=Input("the units", may_be_folder=True), nargs="+", metavar="PATH")
    """units of English takes: extracted, or labels"""
    text2unit: Path = flag(file=Input("the text-to-unit model"))
    """says the shorter and the longer Korean, which nobody has recorded"""
    out_dir: Path = flag(metavar="DIR")
    """for en.jsonl and ko.jsonl with equal ids"""


def pair_rows(data: Path, sources: Sequence[Path], text_to_unit: TextToUnitModel) -> Iterator[tuple[UnitRow, UnitRow]]:
    """Yield English units with the Korean units of the same sentence, under one id: those of the reference voice, then those of the
    text-to-unit model for the shorter and the longer form.

    Korean silence at the ends is left out: a step of it is random, so a translator cannot learn it. Takes with silence only are
    left out too, and those that are not English. Durations are set so that the natural Korean is as long as its source: units do
    not show the pace of their speech, so no length tag can be learnt from it. A form with the same tag as the natural one is left
    out. Raises InputError for a take of a held-out sentence.
    """
    # The id of each take's sentence in the references.
    sentences = {entry.id: entry.id.partition("_")[0] for entry in read_manifest(data / "source.jsonl").entries}
    phones = Phones.read(data / "phones.json")
    english = {row.id: str(row.extra["translation"]) for row in iter_units(data / "references.jsonl")}
    korean = {name: phones.spoken(units) for name, units in read_units(data / "references.jsonl").items()}
    forms = {pair.english: pair.forms for pair in phrasebook().all_pairs()}
    spoken = cache(lambda text: phones.spoken(text_to_unit.units_of(text, "ko")))

    for source in sources:
        suffix = source.name.partition(".")[0]
        for row in iter_units(source):
            sentence = sentences.get(row.id)
            if sentence is None or len(row.units) < 2:
                continue
            if english[sentence] in held_out_english():
                raise InputError("a held-out sentence must not be trained on", path=source, found=row.id)

            natural, name = korean[sentence], f"{row.id}_{suffix}"
            heard = _in_time(row.units, natural.num_steps)
            yield UnitRow(name, heard, {}), UnitRow(name, natural, {})
            for form, text in forms[english[sentence]]:
                ratio = len(spoken(text)) / len(natural)
                if length_tag(ratio) != LENGTH_TAGS["even"]:
                    other = _in_time(spoken(text), round(natural.num_steps * ratio))
                    yield UnitRow(f"{name}_{form}", heard, {}), UnitRow(f"{name}_{form}", other, {})


def _in_time(units: Units, num_steps: int) -> Units:
    """Set durations so that units last `num_steps` steps together, spread evenly, with at least one each."""
    edges = np.linspace(0, max(num_steps, len(units)), len(units) + 1).astype(np.int64)
    return replace(units, durations=np.diff(edges))


def _work(options: PairsOptions) -> None:
    outputs = [options.out_dir / f"{language}.jsonl" for language in ("en", "ko")]
    check_files((), {"the units": options.units, "the text-to-unit model": options.text2unit}, {"a file of pairs": outputs})
    pairs = list(pair_rows(options.data, options.units, TextToUnits.from_checkpoint(options.text2unit)))
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for side, output in enumerate(outputs):
        write_units(output, (pair[side] for pair in pairs))
    LOG.info("%d pairs of %d Korean sentences", len(pairs), len({tuple(korean.units.ids) for _, korean in pairs}))


_COMMAND = Command(PairsOptions, "recipes.demo.material.pairs", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
