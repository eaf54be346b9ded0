"""Spans: how many, how long, and what takes their place."""

from math import comb

import numpy as np
import pytest

from av2unit.training.items import draw_spans, replace_spans, spans_mask


def _expected_coverage(length: int, prob: float, span: int) -> float:
    """By counting: a step stays visible when none of the starts that reach it is drawn."""
    places, wanted = length - span + 1, prob * length / span
    counts = {int(wanted): 1 - wanted % 1, int(wanted) + 1: wanted % 1}
    hidden = 0.0
    for step in range(length):
        reaching = min(step, places - 1) - max(0, step - span + 1) + 1
        visible = sum(share * comb(places - reaching, count) / comb(places, count) for count, share in counts.items())
        hidden += 1 - visible
    return hidden / length


@pytest.mark.parametrize(("length", "prob", "span"), [(200, 0.8, 10), (200, 0.3, 5), (77, 0.8, 10), (400, 0.5, 7)])
def test_as_many_steps_are_hidden_as_chance_says(length: int, prob: float, span: int) -> None:
    rng = np.random.default_rng(0)
    masks = [spans_mask(length, *draw_spans(length, prob, span, 2, rng)) for _ in range(3000)]
    coverage = np.mean([mask.mean() for mask in masks])
    assert coverage == pytest.approx(_expected_coverage(length, prob, span), abs=0.005)
    starts = [len(draw_spans(length, prob, span, 2, rng)[0]) for _ in range(3000)]
    assert set(starts) <= {int(prob * length / span), int(prob * length / span) + 1}
    assert np.mean(starts) == pytest.approx(prob * length / span, abs=0.05)


def test_spans_lie_anywhere_inside() -> None:
    rng = np.random.default_rng(0)
    starts = np.concatenate([draw_spans(30, 0.4, 6, 2, rng)[0] for _ in range(4000)])
    counts = np.bincount(starts, minlength=25)
    assert len(counts) == 25  # 0..24, so that 24 + 6 = 30
    assert counts.min() > 0.8 * counts.mean()
    assert counts.max() < 1.2 * counts.mean()


def test_a_short_clip_is_never_hidden_wholly() -> None:
    rng = np.random.default_rng(0)
    for length in range(2, 12):
        starts, span = draw_spans(length, 0.3, 10, 1, rng)
        assert 1 <= span <= max(1, length // 2)
        assert len(starts) == 1
    assert draw_spans(1, 0.8, 10, 2, rng)[0] == []
    assert draw_spans(50, 0.0, 10, 2, rng)[0] == []
    assert len(draw_spans(50, 0.01, 10, 2, rng)[0]) == 2


def test_pictures_of_a_span_come_from_elsewhere_in_the_clip() -> None:
    rng = np.random.default_rng(0)
    pictures = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 3), np.uint8)
    origins = []
    for _ in range(500):
        starts, span = draw_spans(40, 0.3, 5, 2, rng)
        replaced = replace_spans(pictures, starts, span, rng)[:, 0, 0].astype(int)
        mask = spans_mask(40, starts, span)
        assert (replaced[~mask] == np.arange(40)[~mask]).all()
        last = starts[-1]
        assert (np.diff(replaced[last : last + span]) == 1).all()
        assert replaced[last] != last
        origins.append(replaced[last])
    assert set(origins) == set(range(36))
    assert (pictures[:, 0, 0] == np.arange(40)).all()
