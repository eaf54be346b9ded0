"""One search by CTC and the decoder: CTC's share of the score is the probability of the text."""

import numpy as np
import pytest
import torch

from avcore.units.vocabulary import END
from unit2text.alignment import log_likelihoods
from unit2text.joint import _ctc_scores, _Prefix

ROWS = 8


def scored(text: list[int], log_probs: np.ndarray) -> tuple[float, float]:
    """Log-probability of a text by CTC, and of all texts that begin with it."""
    time = len(log_probs)
    prefix = _Prefix((7,), (), np.full(time, -np.inf), np.cumsum(log_probs[:, 0]), 0.0)
    whole = np.zeros(1)
    for row in text:
        ends, pauses, whole = _ctc_scores(prefix, np.array([row]), log_probs)
        prefix = _Prefix((*prefix.tokens, row), (), ends[:, 0], pauses[:, 0], 0.0)
    return float(np.logaddexp(prefix.ends[-1], prefix.pauses[-1])), float(whole[0])


@pytest.mark.parametrize("text", [[3, END], [3, 4, 5, END], [3, 3, 4, END], [5, 5, 5, END]])
def test_the_score_of_a_text_is_that_of_all_its_paths(text: list[int]) -> None:
    log_probs = torch.log_softmax(torch.from_numpy(np.random.default_rng(len(text)).normal(size=(11, ROWS))), dim=-1)
    alone, whole = scored(text, log_probs.numpy())
    assert alone == pytest.approx(float(log_likelihoods(log_probs, [np.array(text)])[0]), abs=1e-9)
    assert whole >= alone


def test_beginnings_share_the_probability_of_what_goes_on() -> None:
    log_probs = torch.log_softmax(torch.from_numpy(np.random.default_rng(1).normal(size=(6, ROWS))), dim=-1).numpy()
    _, begun = scored([3], log_probs)
    alone, _ = scored([3], log_probs)
    longer = [scored([3, row], log_probs)[1] for row in range(1, ROWS)]
    assert np.exp(begun) == pytest.approx(np.exp(alone) + np.exp(longer).sum(), abs=1e-12)
