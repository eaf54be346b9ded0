"""The table of the bundle's mouth, learnt from labels of the material in both languages."""

from pathlib import Path

import numpy as np

from avcore.units import Units
from avdata.unit_store import UnitRow, write_units
from recipes.demo.material.phones import Phones
from recipes.demo.recipe.mouth_table import main
from unit2av.lipsync.mesh.table import MouthTable


def test_a_table_is_learnt_from_the_labels_of_reference_takes(tmp_path: Path) -> None:
    phones = Phones.found_in(["A:", "m"], {})
    phones.write(tmp_path / "phones.json")
    numbers = {name: number for number, name in enumerate(phones.names)}
    said = {"s0000_en_0": ["_:", "m", "A:"] * 30, "s0001_ko_0": ["_:", "p*", "a-"] * 30, "s0001_ko_1": ["_:"]}
    rows = [
        UnitRow(name, Units.from_frames(np.repeat([numbers[one] for one in own], 6), "", phones.vocabulary), {})
        for name, own in said.items()
    ]
    (tmp_path / "labels").mkdir()
    write_units(tmp_path / "labels" / "clean.units.jsonl", rows)
    out = tmp_path / "mouth.npz"
    assert main([str(tmp_path / "phones.json"), str(out), "--quiet"]) == 0
    table = MouthTable.load(out)
    assert (table.num_units, table.vocabulary) == (len(phones.names), phones.vocabulary)
