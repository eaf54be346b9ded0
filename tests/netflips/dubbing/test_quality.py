"""How well a voice is heard in a dub: what is lost where the translation takes longer than it has time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netflips.bundles.confidence import Calibration, Confidence, Table, WordPairs
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.quality_estimation import squeezed

SURE = Calibration((Table({"score": 1.0}, (0.0, 1.0), (0.95, 0.95)),), 9)


@pytest.mark.parametrize(("natural", "is_hurried"), [(1, False), (40, True)])
def test_a_translation_that_finds_no_time_is_heard_less(
    recording: Path, telltale_models: Callable[[int], Models], settings: DubOptions, tmp_path: Path, work: Path, natural: int,
    is_hurried: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """30 units of so many steps of 20 ms: 0.6 s, or 24 s, of which a tenth or two fit."""
    known = Confidence(SURE, SURE, SURE, 0.8, WordPairs({}))
    monkeypatch.setattr("netflips.quality_estimation._known", lambda models: known)
    options = replace(settings, modalities="audio", draft=tmp_path / "draft.json", work_dir=work)
    draft = dub(recording, tmp_path / "x.mp4", telltale_models(natural), options)
    for one in draft.utterances:
        factor = (one.fit.slot.length_s + one.fit.slot.pause_s) / one.fit.natural_s
        assert "loop" in one.quality.causes  # which is what its words are judged by, however hurried they are
        assert one.quality.voice == pytest.approx(0.8 * squeezed(factor), abs=0.02)
        assert (one.quality.voice < 0.4) == is_hurried
    held = dub(recording, tmp_path / "x.mp4", telltale_models(natural), replace(options, freeze_frame=True))
    assert [one.quality.voice for one in held.utterances] == [0.8] * len(held.utterances)
