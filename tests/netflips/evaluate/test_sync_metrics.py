"""Lip sync: a delay of 120 ms is found, clips that do not belong are told, LSE has both protocols."""

from pathlib import Path

import numpy as np
import pytest

from av2unit.features import to_int16_scale
from avcore.errors import NoFaceError
from avcore.units import unit_sync
from netflips.evaluate.lip_sync import cepstra, judge_lip_sync, sync_vectors
from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics.lips import CORRECTED, PUBLISHED, sync, sync_by_syncnet, sync_by_units, sync_of_faces
from tests.netflips.evaluate.made import values
from unit2av.face.syncnet import load_syncnet

_PARITY = Path(__file__).parents[2] / "parity"
SILENCE = 7


def said(seed: int, steps: int = 100) -> np.ndarray:
    """Units that change every three steps, silence at both ends."""
    rng = np.random.default_rng(seed)
    units = np.repeat(rng.integers(10, 60, size=steps // 3 + 1), 3)[:steps]
    return np.concatenate([np.full(20, SILENCE), units, np.full(20, SILENCE)])


@pytest.mark.parametrize("steps", [0, 6, -6, 15])
def test_a_delay_is_found(steps: int) -> None:
    lips = said(0)
    sound = np.roll(lips, steps)  # 6 steps: 120 ms late
    found = values(sync_by_units(sound, lips, SILENCE))
    assert found["unit_sync_delay_ms"] == 20 * steps
    assert found["unit_sync"] > 0.85
    assert (found["unit_sync_at_zero"] == 1) == (steps == 0)


def test_clips_that_do_not_belong_together_are_told_from_those_that_do() -> None:
    own, foreign = (values(sync_by_units(said(0), said(seed), SILENCE)) for seed in (0, 1))
    assert own["unit_sync"] - foreign["unit_sync"] > 0.7
    assert foreign["unit_sync_at_zero"] < 0.15


def test_silence_counts_for_nothing() -> None:
    lost = sync_by_units(np.full(80, SILENCE), np.full(80, SILENCE), SILENCE)
    assert all(isinstance(lost[name], Missing) for name in sync.figures)
    still = unit_sync(said(0), np.full(140, SILENCE), SILENCE)
    assert still is not None
    assert (still.confidence, still.delay, still.at_zero) == (0, 0, 0)
    assert unit_sync(np.zeros(0, np.int64), np.zeros(0, np.int64), None) is None
    assert unit_sync(np.arange(12), np.arange(12), None) is not None


def test_lse_is_that_of_both_protocols() -> None:
    network = load_syncnet(_PARITY / "syncnet_v2_tiny.model")
    rng = np.random.default_rng(3)
    pictures = list(rng.integers(0, 255, (14, 64, 64, 3), dtype=np.uint8))
    sound = (0.1 * rng.normal(size=14 * 640)).astype(np.float32)
    found = values(sync_by_syncnet(network, pictures, sound))
    for names, is_published in ((CORRECTED, False), (PUBLISHED, True)):
        whole = judge_lip_sync(*sync_vectors(network, pictures, cepstra(to_int16_scale(sound))), len(sound), is_published)
        theirs = (whole.confidence, whole.distance, whole.offset)
        assert [found[name] for name in names] == pytest.approx(theirs, rel=1e-6)
    with pytest.raises(NoFaceError):
        sync_of_faces(network, [])
