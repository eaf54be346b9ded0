"""Noise on training pairs and spans, by their statistics and in fairseq's batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.train.entry import read_config
from avcore.units import BEGIN
from avcore.units import END as END_OF_UNITS
from tests.unit2unit.fairseq_side import setup
from tests.unit2unit.phrasebook import LANGUAGES, NUM_UNITS, prepare_stage
from unit2unit.model import TranslatorVocabulary
from unit2unit.training.config import TrainingRun
from unit2unit.training.items import NoisyPairs
from unit2unit.training.launch import fairseq_config
from unit2unit.training.noise import SpanNoise, UnitNoise, join_tokens, span_lengths, units_among

_UNITS = 500
_VOCABULARY = TranslatorVocabulary(_UNITS, ("en", "ko"))
_LONG = _VOCABULARY.source_tokens(np.arange(20_000) % 400, "en")
_OTHER = _VOCABULARY.source_tokens(np.arange(400, 500), "en")
"""Units that the long source lacks: whatever is wrong can be told from what is right."""
_FIRST_OTHER = 404
_KINDS = ("substitute", "delete", "insert")


def _noisy(noise: UnitNoise, tokens: np.ndarray = _LONG, seed: int = 0) -> np.ndarray:
    return noise.source(tokens, _OTHER, _UNITS, np.random.default_rng(seed))


def _is_wrong(tokens: np.ndarray) -> np.ndarray:
    return (tokens >= _FIRST_OTHER) & (tokens < 4 + _UNITS)


def test_substitutes_replace_deletions_shorten_insertions_keep_order() -> None:
    substituted, shorter, longer = (_noisy(UnitNoise(noisy_sources=1.0, **{f"noise_{one}": 0.1})) for one in _KINDS)
    assert _is_wrong(substituted).mean() == pytest.approx(0.1, abs=0.01)
    assert len(_LONG) - len(substituted) < 20, "but for two equal wrong units side by side"
    assert len(shorter) / len(_LONG) == pytest.approx(0.9, abs=0.01)
    assert not _is_wrong(shorter).any()
    assert _is_wrong(longer).sum() / len(_LONG) == pytest.approx(0.1, abs=0.01)
    assert np.array_equal(longer[~_is_wrong(longer)], _LONG)
    for noisy in (substituted, shorter, longer):
        assert (noisy[0], *noisy[-2:]) == (BEGIN, END_OF_UNITS, _VOCABULARY.tag("en"))


def test_all_kinds_together_and_repeats_merged() -> None:
    few = _VOCABULARY.source_tokens(np.arange(20_000) % 2, "en")
    noisy = UnitNoise(1.0, 0.2, 0.2, 0.2).source(few, few, _UNITS, np.random.default_rng(0))
    assert (np.diff(noisy) != 0).all()
    assert set(noisy.tolist()) == set(few.tolist())


def test_the_share_of_noisy_sources_none_of_which_is_empty() -> None:
    noise = UnitNoise(noisy_sources=0.3, noise_substitute=0.5)
    short = _LONG[:50]
    changed = [not np.array_equal(_noisy(noise, short, seed), short) for seed in range(2000)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.03)
    short = _VOCABULARY.source_tokens(np.array([7]), "en")
    assert np.array_equal(_noisy(UnitNoise(noisy_sources=1.0, noise_delete=1.0), short), short)


def test_the_decoder_is_fed_with_the_tag_first_and_some_wrong_units() -> None:
    fed = UnitNoise(noise_decoder=0.1).decoder_input(_LONG, _OTHER, _UNITS, np.random.default_rng(0))
    assert fed[:2].tolist() == [_VOCABULARY.tag("en"), BEGIN]
    wrong = _is_wrong(fed)
    assert wrong.mean() == pytest.approx(0.1, abs=0.01)
    assert np.array_equal(fed[~wrong], np.roll(_LONG, 1)[~wrong])
    assert fed[-1] == END_OF_UNITS


def test_two_sequences_become_one_with_the_marks_of_its_ends() -> None:
    first, second = (_VOCABULARY.source_tokens(np.array(units), language) for units, language in (([5, 6], "en"), ([6, 7], "ko")))
    assert np.array_equal(join_tokens(first, second, _UNITS), _VOCABULARY.source_tokens(np.array([5, 6, 7]), "ko"))
    assert np.array_equal(join_tokens(second, first, _UNITS), _VOCABULARY.source_tokens(np.array([6, 7, 5, 6]), "en"))
    marks = np.array([BEGIN, END_OF_UNITS, _VOCABULARY.tag("en")])
    assert np.array_equal(join_tokens(first, marks, _UNITS), first)
    assert np.array_equal(join_tokens(marks, first, _UNITS), marks)


def test_without_mistakes_there_is_no_noise() -> None:
    assert not UnitNoise.of({}).is_any
    assert not UnitNoise(noisy_sources=1.0).is_any
    assert not UnitNoise(noise_delete=0.1).is_any
    assert UnitNoise.of({"noise_decoder": "0.1"}).is_any
    assert UnitNoise(joined_pairs=0.1).is_any
    for no_share in ({"noisy_sources": 1.5}, {"noise_decoder": -0.1}, {"noise_delete": 0.6, "noise_insert": 0.6}):
        with pytest.raises(UsageError):
            UnitNoise(**no_share)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The fine-tuning task with noise on, data loaded."""
    root: Path = tmp_path_factory.mktemp("noise")
    prepare_stage(root, "finetune", 60, "--valid", "10", "--test", "5")
    noise = {"noisy_sources": 1.0, "noise_substitute": 0.2, "noise_delete": 0.1, "noise_insert": 0.1, "noise_decoder": 0.3}
    settings = [f"fairseq.task.{name}={share}" for name, share in noise.items()]
    run = read_config(TrainingRun, "unit2unit/finetune_debug", [f"data_dir={root / 'data'}", f"run_dir={root / 'run'}", *settings])
    made = setup(fairseq_config(run))[0]
    for split in ("train", "valid"):
        made.load_dataset(split)
    return made


def _sources(dataset: Any, epoch: int) -> list[list[int]]:
    dataset.set_epoch(epoch)
    return [dataset[index]["source"].tolist() for index in range(len(dataset))]


def test_noise_depends_on_epoch_and_sample_and_spares_targets(task: Any) -> None:
    train, valid = task.dataset("train"), task.dataset("valid")
    first, second = _sources(train, 1), _sources(train, 2)
    assert np.mean([one != other for one, other in zip(first, second, strict=True)]) > 0.8
    assert first == _sources(train, 1)
    train.set_epoch(2)
    assert train[5]["source"].tolist() == second[5], "whatever was read before it"
    train.set_epoch(1)
    pairs = train.dataset
    assert all(train[index]["target"].tolist() == pairs[index]["target"].tolist() for index in range(len(train)))
    assert any(train[index]["source"].tolist() != pairs[index]["source"].tolist() for index in range(len(train)))
    assert _sources(valid, 1) == _sources(valid, 2)
    assert "prev_output_tokens" not in valid[0]


def test_a_batch_has_true_targets_and_noisy_inputs(task: Any) -> None:
    train = task.dataset("train")
    batch = train.collater([train[index] for index in range(8)])
    true = train.dataset.collater([train.dataset[index] for index in batch["id"].tolist()])
    by_id = {name: row.tolist() for name, row in zip(true["id"].tolist(), true["target"], strict=True)}
    assert all(by_id[name] == row.tolist() for name, row in zip(batch["id"].tolist(), batch["target"], strict=True))
    fed, target = batch["net_input"]["prev_output_tokens"], batch["target"]
    assert fed.shape == target.shape
    tag = TranslatorVocabulary(NUM_UNITS, LANGUAGES).tag("ko")
    assert fed[:, 0].tolist() == [tag] * 8
    kept = fed[:, 1:] == target[:, :-1]
    assert 0.5 < float(kept[target[:, 1:].ne(1)].float().mean()) < 0.95
    assert (fed.eq(1) == target.eq(1)).all(), "padding stays where it was"


def test_pairs_are_joined_on_both_sides(task: Any) -> None:
    pairs = task.dataset("train").dataset
    longest = max(len(side[index]) for side in (pairs.src, pairs.tgt) for index in range(len(pairs)))
    joined = NoisyPairs(pairs, UnitNoise(joined_pairs=0.5), NUM_UNITS, 2 * longest, 2 * longest, seed=1)
    changed = 0
    for index in range(len(pairs)):
        sample, alone = joined[index], pairs[index]
        grew = [len(sample[side]) > len(alone[side]) for side in ("source", "target")]
        assert grew[0] == grew[1]
        assert sample["prev_output_tokens"].tolist() == np.roll(sample["target"], 1).tolist()
        units = alone["target"][units_among(alone["target"].numpy(), NUM_UNITS)].tolist()
        assert sample["target"][units_among(sample["target"].numpy(), NUM_UNITS)].tolist()[: len(units)] == units
        changed += grew[0]
    assert changed / len(pairs) == pytest.approx(0.5, abs=0.25)
    short = NoisyPairs(pairs, UnitNoise(joined_pairs=1.0), NUM_UNITS, 2 * longest, 1, seed=1)
    assert [len(short[index]["source"]) for index in range(len(pairs))] == [len(pairs.src[index]) for index in range(len(pairs))]


def test_a_source_that_would_not_fit_stays_as_it_is(task: Any) -> None:
    train = task.dataset("train")
    most = max(len(train.dataset[index]["source"]) for index in range(len(train)))
    before, train._max_source = train._max_source, most
    try:
        for epoch in range(1, 6):
            assert max(map(len, _sources(train, epoch))) <= most
    finally:
        train._max_source = before


_MASK, _ROWS = 1023, 1024


def _sequence(num_units: int) -> np.ndarray:
    return np.concatenate([[0], np.full(num_units, 500), [2, 1004]])


def _noise(**changes: float) -> SpanNoise:
    settings = {"mask_share": 0.3, "poisson_lambda": 10.0, "random_share": 0.1} | changes
    return SpanNoise(mask=_MASK, num_rows=_ROWS, **settings)


def test_span_lengths_are_poisson_and_use_up_the_budget() -> None:
    random = np.random.default_rng(0)
    for budget in (1, 7, 60, 500) * 200:
        lengths = span_lengths(budget, 10.0, random)
        assert lengths.sum() == budget
        assert lengths.min() >= 1
    lengths = np.concatenate([span_lengths(5000, 10.0, np.random.default_rng(seed))[:-1] for seed in range(100)])
    assert len(lengths) > 45_000
    assert (lengths.mean(), lengths.var()) == (pytest.approx(10.0, abs=0.05), pytest.approx(10.0, abs=0.3))
    assert len(span_lengths(0, 10.0, random)) == 0


def test_ends_and_length_stay() -> None:
    random = np.random.default_rng(0)
    for num_units in (1, 2, 9, 300):
        tokens = _sequence(num_units)
        for _ in range(100):
            noisy = _noise().apply(tokens, random)
            assert len(noisy) == len(tokens)
            assert (noisy[0], noisy[-1]) == (0, 1004)
        assert np.array_equal(tokens, _sequence(num_units)), "the original was written to"


def test_the_hidden_share_is_the_budget_less_overlaps_anywhere() -> None:
    random = np.random.default_rng(0)
    tokens = _sequence(300)
    hidden = [np.mean(_noise(random_share=0.0).apply(tokens, random)[1:-1] == _MASK) for _ in range(2000)]
    # Spans fall independently, so nearly 1 - exp(-0.3) = 0.259 is covered (less at the end, where spans are cut).
    assert np.mean(hidden) == pytest.approx(0.259, abs=0.01)
    assert max(hidden) <= 0.3 + 1 / 301
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
    assert np.bincount(replaced, minlength=_ROWS)[1:_MASK][np.arange(1, _MASK) != 500].min() > 0


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
