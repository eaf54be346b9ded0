"""Labels carried from one recording to another of the same words."""

import json
from pathlib import Path

import numpy as np
import pytest

from av2unit import kmeans
from av2unit.clustering.align import warp_path
from avcore.media import write_speech
from avcore.units import Units
from avdata.unit_store import UnitRow, read_units, write_units
from tests.av2unit.made_clips import NUM_UNITS, VOCABULARY, sound_of


def _brute_force(rows: np.ndarray, others: np.ndarray) -> float:
    """The least sum over all paths, by recursion."""
    distances = np.linalg.norm(rows[:, None] - others, axis=-1)

    def least(row: int, column: int) -> float:
        if row == column == 0:
            return distances[0, 0]
        before = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        return distances[row, column] + min(least(*place) for place in before if min(place) >= 0)

    return least(len(rows) - 1, len(others) - 1)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (5, 1), (5, 6), (6, 4)])
def test_the_path_is_the_cheapest_of_all(n: int, m: int) -> None:
    rng = np.random.default_rng(n * 10 + m)
    rows, others = (rng.standard_normal((size, 3)).astype(np.float32) for size in (n, m))
    path, distance = warp_path(rows, others)
    assert distance == pytest.approx(_brute_force(rows, others), abs=1e-4)
    assert len(path) == m
    assert (np.diff(path) >= 0).all()
    assert path.min() >= 0
    assert path.max() < n


def test_a_recording_that_was_stretched_is_followed() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    places = np.repeat(np.arange(30), np.random.default_rng(1).integers(1, 4, 30))
    path, distance = warp_path(rows, rows[places])
    assert path.tolist() == places.tolist()
    assert distance == pytest.approx(0, abs=0.05)


@pytest.fixture
def voices(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Three sentences by a reference and by two others that speak at their own pace; what each says, 50 units a second."""
    rng, said, rows = np.random.default_rng(0), {}, []
    for sentence in range(3):
        units = rng.integers(NUM_UNITS, size=12)
        for voice in ("reference", "slow", "fast"):
            length = {"reference": 5, "slow": 8, "fast": 4}[voice]
            name = f"{voice}{sentence}"
            said[name] = np.repeat(units, rng.integers(length - 1, length + 2, len(units)))
            write_speech(tmp_path / f"{name}.wav", sound_of(said[name], rng))
            rows.append({"id": name, "audio": f"{name}.wav", "language": "en", "text": f"sentence {sentence}"})
    rows.append({"id": "other", "audio": "slow0.wav", "language": "en", "text": "something else"})
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    references = [UnitRow(name, Units.from_frames(units, "en", VOCABULARY), {}) for name, units in said.items() if "ref" in name]
    write_units(tmp_path / "references.jsonl", references)
    return tmp_path, said


def _align(folder: Path, *more: str) -> int:
    given = [f"manifest={folder}/all.jsonl", f"references={folder}/references.jsonl", f"out_dir={folder}/out", "num_workers=0"]
    return kmeans.main(["align", *given, *more])


def test_labels_of_a_reference_are_carried_to_other_voices(voices: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, said = voices
    assert _align(folder) == 0
    found = read_units(folder / "out" / "all.units.jsonl")
    assert found.keys() == said.keys()
    for name, units in said.items():
        labels = found[name].frames()
        assert abs(len(labels) - len(units)) <= 1
        size = min(len(labels), len(units))
        assert (labels[:size] == units[:size]).mean() > (0.999 if "reference" in name else 0.85), name
        assert found[name].vocabulary == VOCABULARY
    report = json.loads((folder / "out" / "all.report.json").read_text())
    assert list(report["bad_clips"]) == ["other"]
    assert (folder / "out" / "all.km").read_text().splitlines()[-1] == ""


def test_nothing_to_carry_is_an_error(voices: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, _ = voices
    write_units(folder / "references.jsonl", [UnitRow("nobody", Units.from_frames(np.arange(5)), {})])
    assert _align(folder) == 2
    assert not (folder / "out").exists()
