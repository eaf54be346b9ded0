"""How far a dub is understood: what is lost where the translation takes longer than it has time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.understanding import grade_of, squeezed


@pytest.mark.parametrize(("natural", "is_hurried"), [(1, False), (40, True)])
def test_a_translation_that_finds_no_time_is_less_understood(
    recording: Path, telltale_models: Callable[[int], Models], settings: DubOptions, tmp_path: Path, work: Path, natural: int,
    is_hurried: bool,
) -> None:  # fmt: skip
    """30 units of so many steps of 20 ms: 0.6 s, or 24 s, of which a tenth or two fit."""
    options = replace(settings, modalities="audio", draft=tmp_path / "draft.json", work_dir=work)
    draft = dub(recording, tmp_path / "x.mp4", telltale_models(natural), options)
    for one in draft.utterances:
        assert ("hurried" in one.understood.causes) == is_hurried
        if is_hurried:
            factor = (one.fit.slot.length_s + one.fit.slot.pause_s) / one.fit.natural_s
            assert one.understood.share == pytest.approx(squeezed(factor), abs=0.02)
            assert grade_of(one.understood.share) == "bad"
    held = dub(recording, tmp_path / "x.mp4", telltale_models(natural), replace(options, hold_picture=True))
    assert not any("hurried" in one.understood.causes for one in held.utterances)
