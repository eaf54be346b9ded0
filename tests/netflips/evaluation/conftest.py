"""A bundle of random weights, small enough to be measured in a test."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.bundle import CHECKPOINTS, FORMAT, Bundle, read_bundle
from avcore.checkpoint import read_checkpoint, write_checkpoint
from avcore.kinds import Kind
from avcore.unit_store import UnitRow, write_units
from avcore.units import Units
from netflips.demo.phrasebook import phrasebook
from netflips.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings(number=1, sweep_number=1, snrs_db=(), ceiling_number=1, baseline_number=1, side=128, sentences=60)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, parity_dir: Path) -> Bundle:
    """A bundle that knows nothing: encoder, translator with a narrow search, renderer, random reference units."""
    folder = tmp_path_factory.mktemp("bundle")
    sources = {Kind.UNIT_ENCODER: "mavhubert.pt", Kind.TRANSLATOR: "utut_ko.pt", Kind.RENDERER: "unit2av_renderer.pt"}
    for kind, name in sources.items():
        stored = read_checkpoint(parity_dir / name, kind)
        search = {"generation": {"beam": 1, "max_target_units": 30}} if kind is Kind.TRANSLATOR else {}
        write_checkpoint(folder / CHECKPOINTS[kind], kind, {**stored.config, **search}, stored.tensors)
    rng = np.random.default_rng(0)
    rows = [
        UnitRow(f"s{number:04d}", Units(rng.integers(0, 1000, 25), rng.integers(2, 5, 25), "ko"), {"text": pair.korean})
        for number, pair in enumerate(phrasebook().all_pairs())
    ]
    write_units(folder / "references.jsonl", rows)
    about = {"format": FORMAT, "name": "nothing", "domain": "nothing"}
    (folder / "bundle.json").write_text(json.dumps(about), encoding="utf-8")
    return read_bundle(folder)
