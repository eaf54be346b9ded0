"""A bundle of random weights, packed on the fly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.checkpoints.bundle import VARIABLE, Bundle
from avcore.data.unit_store import UnitRow, write_units
from avcore.units import Units
from netflips.bundles.pack import pack_bundle
from netflips.model_paths import ModelPaths

ABOUT: dict[str, Any] = {
    "domain": "a few sentences that nobody trained it on",
    "made": {"seed": 1, "configs": {}, "commit": "0123abc", "seconds": {"av2unit": 60.0, "unit2unit": 120.0}},
}


def write_references(path: Path, vocabulary: str = "") -> Path:
    """Reference units of three sentences."""
    rng = np.random.default_rng(0)
    units = (Units(rng.integers(0, 75, 9), None, "ko", vocabulary) for _ in range(3))
    told = ({"text": f"문장 {n}", "translation": f"Sentence {n}"} for n in range(3))
    write_units(path, [UnitRow(f"s{n}", *row) for n, row in enumerate(zip(units, told, strict=True))])
    return path


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_references(tmp_path_factory.mktemp("references") / "references.jsonl")


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, paths: ModelPaths, references: Path) -> Bundle:
    """A bundle; tests that change it make their own."""
    folder = tmp_path_factory.mktemp("packed") / "bundle"
    return pack_bundle(paths.av2unit, paths.utut, paths.unit2av, references, ABOUT, folder)


@pytest.fixture
def default_bundle(packed: Bundle, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The bundle that commands take without checkpoint flags."""
    monkeypatch.setenv(VARIABLE, str(packed.folder))
    return packed
