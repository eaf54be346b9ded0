"""Units of sentences as the Korean teacher reads them, without speaking them: its phones follow from the text by rules, and it
rests where the text-to-unit model, which has heard it, rests. A text-to-unit model learns from them how any words are read.

    python -m recipes.demo.material.readings texts.jsonl --out readings.jsonl
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path

import numpy as np

from avcore.data.unit_store import UnitRow, write_units
from avcore.files import Input, Output
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import iter_rows
from avcore.progress import bars, track
from avcore.units import Units
from netflips import stages
from netflips.cascade.kokoro import korean_signs
from recipes.demo.material.phones import SILENCE, Phones
from recipes.demo.voices.cast import SHIPPED, cast
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import TextToUnits


def read_as_taught(text: str, phones: Phones, model: TextToUnits) -> Units:
    """Return a sentence's units with rests, and with silence at both ends; all durations are 1."""
    spoken = [phones.alike.get(phone, phone) for sign, phone in korean_signs(text, SILENCE) if sign != " " and phone != SILENCE]
    numbers = {name: number for number, name in enumerate(phones.names)}
    units = [numbers[phone] for phone, _ in groupby(spoken)]
    heard = model.units_of(text, "ko").ids.tolist()
    for place in reversed(_rests(units, heard, phones.silence)):
        units.insert(place, phones.silence)
    ids = np.array([phones.silence, *units, phones.silence], np.int64)
    return Units(ids, np.ones(len(ids), np.int64), "ko", phones.vocabulary).merged()


def _rests(units: Sequence[int], heard: Sequence[int], silence: int) -> list[int]:
    """Return the places of `units` before which `heard`, other units of the same sentence, rests."""
    sounds = [unit for unit in heard if unit != silence]
    before = [sum(unit != silence for unit in heard[:place]) for place, unit in enumerate(heard) if unit == silence]
    matcher, places = SequenceMatcher(None, sounds, units, autojunk=False), set[int]()
    for start, place, size in matcher.get_matching_blocks():
        places |= {place + at - start for at in before if start <= at < start + size}
    return sorted(places - {0})


@dataclass(frozen=True, kw_only=True)
class ReadingsOptions(QuietOptions):
    """Write the units of sentences as the Korean teacher reads them."""

    texts: Path = positional("TEXTS", file=Input("the sentences"))
    """JSON lines, as recipes.demo.voices.wide writes them"""
    out: Path = flag(metavar="FILE", file=Output("the readings"))
    """JSON lines with id, text and units"""


def _work(options: ReadingsOptions) -> None:
    phones = Phones.of_material((), cast(SHIPPED).settings)
    model = TextToUnits.from_checkpoint(stages.SHIPPED / TEXT2UNIT.file_for("ko"))
    texts = [str(row["text"]) for _, row in iter_rows(options.texts)]
    with bars(options.quiet) as progress:

        def rows() -> Iterator[UnitRow]:
            for number, text in enumerate(track(texts, "readings", progress, len(texts))):
                yield UnitRow(f"w{number:05d}", read_as_taught(text, phones, model), {"text": text})

        write_units(options.out, rows())


_COMMAND = Command(ReadingsOptions, "recipes.demo.material.readings", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
