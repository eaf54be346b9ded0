"""Clock, label and options."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from avcore.compute.threads import ahead
from avcore.errors import UsageError
from avcore.progress import StageClock
from netflips.dubbing.options import DubOptions
from netflips.dubbing.video_format import draw_label


def test_the_clock_counts_each_moment_once() -> None:
    clock = StageClock()

    def inner() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.02)
            yield number

    def outer() -> Iterator[int]:
        for number in clock.timed(inner(), "inner"):
            time.sleep(0.01)
            yield number

    start = time.perf_counter()
    with clock.stage("all"):
        assert list(clock.timed(outer(), "outer")) == [0, 1, 2]
    elapsed = time.perf_counter() - start
    assert sum(clock.seconds.values()) == pytest.approx(elapsed, rel=0.05)
    assert clock.seconds["inner"] >= 0.06
    assert clock.seconds["outer"] >= 0.03


def test_stages_side_by_side_are_counted_each() -> None:
    clock = StageClock()

    def slow() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.05)
            yield number

    start = time.perf_counter()
    with clock.stage("use"):
        for _ in ahead(clock.timed(slow(), "make"), 2):
            time.sleep(0.04)
    elapsed = time.perf_counter() - start
    assert clock.seconds["make"] >= 0.2
    assert (clock.seconds["use"], set(clock.seconds)) == (pytest.approx(elapsed, rel=0.05), {"make", "use"})


def test_a_stage_that_fails_is_still_counted() -> None:
    clock = StageClock()
    with pytest.raises(ValueError, match="x"), clock.stage("bad"):
        time.sleep(0.01)
        raise ValueError("x")
    with clock.stage("good"):
        pass
    assert clock.seconds["bad"] >= 0.01
    assert clock.seconds["good"] < 0.01


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (96, 96), (30, 40)])
def test_a_label_is_readable_and_inside_the_frame(height: int, width: int) -> None:
    frame = np.full((height, width, 3), 120, dtype=np.uint8)
    labelled = draw_label(frame, "synthetic speech and lips")
    changed = np.argwhere((labelled != frame).any(axis=-1))
    assert (frame == 120).all()
    assert labelled.max() > 200
    assert labelled.min() < 60
    assert changed[:, 1].max() < width
    assert changed[:, 0].max() < height * 0.45


def test_options_are_checked_and_languages_normalised() -> None:
    options = DubOptions(source="ENG", to="[ko]")
    assert (options.source, options.to, options.uses_audio, options.uses_video) == ("en", "ko", True, True)
    assert not DubOptions(modalities="audio").uses_video
    for wrong in ({"modalities": "smell"}, {"beam": 0}, {"max_target_units": -1}):
        with pytest.raises(UsageError):
            DubOptions(**wrong)  # type: ignore[arg-type]
