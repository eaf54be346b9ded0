"""Takes that the translator's sources are read from once more: worse recordings, other ones each time, the same in each run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.data.unit_store import read_units
from avcore.journal import write_rows
from avcore.media import write_speech
from recipes.demo.material.degraded import degraded, degraded_files, degraded_readings, main
from recipes.demo.voices.cast import DEMO, SHIPPED, Cast, cast

_ENCODER = Path(__file__).resolve().parents[3] / "netflips" / "bundle" / "unit_encoder.safetensors"
_PLAIN: dict[str, Any] = cast().settings["degraded"] | {
    "tract_prob": 0, "silence_prob": 0, "noise_prob": 0, "microphone": {}, "peak_db": (-6.0, -6.0),
}  # fmt: skip
_TONE = (0.1 * np.sin(np.arange(16_000) * 0.3)).astype(np.float32)


@pytest.mark.parametrize(
    ("settings", "lengths", "is_changed"),
    [
        ({}, (16_000, 16_000), False),
        ({"tract_prob": 1, "tract": (1.25, 1.25)}, (12_800, 12_800), True),
        ({"silence_prob": 1, "silence_s": (0.2, 0.4)}, (22_400, 28_800), True),
        ({"microphone": {"room_prob": 1.0}}, (16_000, 16_000), True),
        ({"noise_prob": 1, "snr_db": (10.0, 10.0)}, (16_000, 16_000), True),
    ],
)
def test_each_degradation_is_drawn_by_itself(settings: dict[str, Any], lengths: tuple[int, int], is_changed: bool) -> None:
    found = degraded(_TONE, _PLAIN | settings, np.random.default_rng(0))
    np.testing.assert_array_equal(found, degraded(_TONE, _PLAIN | settings, np.random.default_rng(0)))
    assert lengths[0] <= len(found) <= lengths[1]
    assert found.dtype == np.float32
    assert 0.3 < np.abs(found).max() <= 1
    louder = _TONE * (10 ** (-6 / 20) / np.abs(_TONE).max())
    assert (len(found) != len(louder) or not np.allclose(found, louder, atol=1e-4)) == is_changed


def test_silence_stays_silence() -> None:
    assert not degraded(np.zeros(800, np.float32), _PLAIN, np.random.default_rng(0)).any()


@pytest.mark.parametrize("people", [DEMO, SHIPPED])
def test_a_cast_says_what_is_drawn(people: str) -> None:
    own, rng = cast(people).settings["degraded"], np.random.default_rng(1)
    found = [degraded(_TONE, own, rng) for _ in range(20)]
    assert len({len(one) for one in found}) > 5
    assert len(degraded_files(Path(), people)) == own["versions"] >= 1


def test_takes_are_read_again_and_a_repeated_run_has_the_same_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"s000{number}_en_0" for number in range(4)]
    rng = np.random.default_rng(0)
    for name in names:
        write_speech(tmp_path / f"{name}.wav", (0.1 * rng.standard_normal(8_000)).astype(np.float32))
    write_rows(tmp_path / "source.jsonl", ({"id": name, "audio": f"{name}.wav", "language": "en"} for name in names))

    people = Cast({"degraded": cast().settings["degraded"] | {"versions": 2, "every": 2}})
    monkeypatch.setattr("recipes.demo.material.degraded.cast", lambda name: people)
    readings = degraded_readings(tmp_path, people)
    assert [(one.id, one.version) for one in readings] == [(names[k], version) for k, version in ((1, 1), (3, 1), (0, 2), (2, 2))]

    words = ("--data", str(tmp_path), "--av2unit-path", str(_ENCODER), "--quiet")
    for folder in ("once", "again"):
        assert main([*words, "--out-dir", str(tmp_path / folder)]) == 0
    once, again = (degraded_files(tmp_path / folder, DEMO) for folder in ("once", "again"))
    assert [path.name for path in once] == ["degraded_1.jsonl", "degraded_2.jsonl"]
    assert [set(read_units(path)) for path in once] == [{names[1], names[3]}, {names[0], names[2]}]
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
