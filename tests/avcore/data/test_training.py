"""What is held out of a corpus."""

import pytest

from avcore.data.corpus import CorpusConfig
from avcore.errors import UsageError

SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_corpus_that_grows_holds_out_nothing_that_was_trained_on(seed: int) -> None:
    config = CorpusConfig(hold_out=100)
    before, after = ([f"clip {number}" for number in range(count)] for count in (1000, 1100))
    train, _ = config.held_out(before, seed, str, "clips")
    grown, held_out = config.held_out(after[::-1], seed, str, "clips")
    assert not set(train) & set(held_out)
    assert sorted([*grown, *held_out]) == sorted(after)
    assert len(held_out) == 100
    assert held_out != config.held_out(after[::-1], seed + 1, str, "clips")[1]


def test_what_is_alike_stays_together() -> None:
    items = [(f"sentence {number % 7}", number) for number in range(40)]
    train, held_out = CorpusConfig(hold_out=3).held_out(items, 0, lambda one: one[0], "sentences")
    assert len({name for name, _ in held_out}) == 3
    assert not {name for name, _ in train} & {name for name, _ in held_out}
    with pytest.raises(UsageError, match=r"expected data\.hold_out below 7, the number of sentences; found 7"):
        CorpusConfig(hold_out=7).held_out(items, 0, lambda one: one[0], "sentences")
