"""The span noise, by its statistics."""

import numpy as np
import pytest

from unit2unit.training.noise import SpanNoise, span_lengths

_MASK, _ROWS = 1023, 1024


def _sequence(num_units: int) -> np.ndarray:
    return np.concatenate([[0], np.full(num_units, 500), [2, 1004]])


def _noise(**changes: float) -> SpanNoise:
    settings = {"mask_share": 0.3, "poisson_lambda": 10.0, "random_share": 0.1} | changes
    return SpanNoise(mask=_MASK, num_rows=_ROWS, **settings)


@pytest.mark.parametrize("budget", [1, 7, 60, 500])
def test_span_lengths_use_up_the_budget(budget: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        lengths = span_lengths(budget, 10.0, random)
        assert lengths.sum() == budget
        assert lengths.min() >= 1


def test_span_lengths_are_poisson() -> None:
    lengths = np.concatenate([span_lengths(5000, 10.0, np.random.default_rng(seed))[:-1] for seed in range(100)])
    assert len(lengths) > 45_000
    assert lengths.mean() == pytest.approx(10.0, abs=0.05)
    assert lengths.var() == pytest.approx(10.0, abs=0.3)


def test_no_budget_is_no_spans() -> None:
    assert len(span_lengths(0, 10.0, np.random.default_rng(0))) == 0


def test_ends_and_length_stay() -> None:
    random = np.random.default_rng(0)
    for num_units in (1, 2, 9, 300):
        tokens = _sequence(num_units)
        for _ in range(100):
            noisy = _noise().apply(tokens, random)
            assert len(noisy) == len(tokens)
            assert (noisy[0], noisy[-1]) == (0, 1004)
        assert np.array_equal(tokens, _sequence(num_units)), "the original was written to"


def test_hidden_share_is_the_budget_less_what_overlaps_and_what_the_tag_cuts() -> None:
    random = np.random.default_rng(0)
    tokens = _sequence(300)
    hidden = [np.mean(_noise(random_share=0.0).apply(tokens, random)[1:-1] == _MASK) for _ in range(2000)]
    # Spans fall independently, so nearly 1 - exp(-0.3) = 0.259 is covered (less at the end, where spans are cut).
    assert np.mean(hidden) == pytest.approx(0.259, abs=0.01)
    assert max(hidden) <= 0.3 + 1 / 301


def test_every_inner_position_can_be_hidden_also_the_end_of_units() -> None:
    random = np.random.default_rng(0)
    tokens = _sequence(20)
    noisy = np.stack([_noise(random_share=0.0).apply(tokens, random) for _ in range(2000)])
    assert (noisy[:, 1:-1] == _MASK).any(axis=0).all()


def test_some_spans_become_random_tokens_of_all_rows_but_the_first() -> None:
    random = np.random.default_rng(0)
    tokens = _sequence(200)
    noisy = np.concatenate([_noise().apply(tokens, random)[1:-2] for _ in range(3000)])
    changed = noisy[noisy != 500]
    replaced = changed[changed != _MASK]
    assert len(replaced) / len(changed) == pytest.approx(0.1, abs=0.01)
    assert replaced.min() == 1
    assert replaced.max() == _ROWS - 2  # the mask's own row was taken out above
    counts = np.bincount(replaced, minlength=_ROWS)[1:_MASK]
    assert counts[np.arange(1, _MASK) != 500].min() > 0


def test_random_is_decided_per_span() -> None:
    random = np.random.default_rng(1)
    tokens = _sequence(400)
    noise = _noise(mask_share=0.02, random_share=0.5)  # few spans, so hardly any overlap
    inside = 0
    for _ in range(500):
        is_mask = (noise.apply(tokens, random) == _MASK)[1:-1]
        inside += int(np.abs(np.diff(is_mask.astype(int))).sum())
    # Deciding per token would flip every other token inside a span; per span there are at most two flips a span.
    assert inside / 500 < 2.5


def test_noise_depends_on_the_generator_alone() -> None:
    tokens = _sequence(100)
    first, second = (_noise().apply(tokens, np.random.default_rng([2, 5, 7])) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, _noise().apply(tokens, np.random.default_rng([2, 6, 7])))
