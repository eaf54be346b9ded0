"""One search by CTC and the decoder: CTC's share of the score is the probability of the text."""

from itertools import product

import numpy as np
import pytest
import torch

from avcore.units import END, PAD, Units
from avdata.spoken_texts import SpokenText
from tests.unit2text.tiny import SMALL
from unit2text.model import EncodedUnits, UnitText
from unit2text.search import BLANK_ROW, _before, _begun, _paths, log_likelihoods, search_together
from unit2text.training.items import ReaderCorpus
from unit2text.training.task import reader_config

ROWS = 8
_SAID = SpokenText("a", "the end of it", "en", Units.from_frames([1]))
SIZES = reader_config(SMALL, ReaderCorpus((_SAID,), (_SAID,), "", 1000), 20, {"en": 19})


def scored(text: list[int], log_probs: np.ndarray) -> tuple[float, float]:
    """Log-probability of a text by CTC, and of all texts that begin with it."""
    texts, whole = _begun(7, log_probs[:, 0]), 0.0
    for row in text:
        before, said = _before(texts, np.array([0]), np.array([row])), log_probs[:, [row]]
        ends, pauses = _paths(before, said, log_probs[:, 0])
        whole = float(np.logaddexp.reduce(before + said, axis=0)[0])
        texts = texts._replace(tokens=np.column_stack([texts.tokens, [row]]), ends=ends, pauses=pauses)
    return float(np.logaddexp(texts.ends[-1, 0], texts.pauses[-1, 0])), whole


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


@pytest.mark.parametrize("beam", [1, 4])
@torch.inference_mode()
def test_letters_of_the_past_are_kept_as_the_decoder_saw_them(beam: int) -> None:
    """What a search with the decoder's cache says of its text is what the decoder says of that text as a whole."""
    torch.manual_seed(beam)
    model = UnitText(SIZES).eval()
    encoded = torch.randn(1, 30, SMALL.dim)
    log_probs = model.ctc_log_probs(3 * encoded)[0]
    start, weight = SIZES.starts[0], 0.3
    found = search_together(model, encoded, log_probs, (start, END), beam, weight, np.array([3, start]), (4, 12))
    assert len(found.rows) >= 4
    text = torch.tensor([[start, *found.rows.tolist()]])
    scores = torch.log_softmax(model.logits(EncodedUnits(encoded, None), text)[0].double(), dim=-1).numpy()
    by_decoder = scores[np.arange(text.shape[1]), [*found.rows, END]]
    assert np.log(found.probabilities) == pytest.approx(by_decoder[:-1], abs=1e-5)
    by_ctc = float(log_likelihoods(log_probs, [np.append(found.rows, END)])[0])
    assert found.score == pytest.approx((1 - weight) * by_decoder.sum() + weight * by_ctc, abs=1e-4)


@torch.inference_mode()
def test_a_wide_search_finds_the_best_of_all_texts() -> None:
    torch.manual_seed(5)
    model, weight, start = UnitText(SIZES).eval(), 0.4, SIZES.starts[0]
    encoded = torch.randn(1, 8, SMALL.dim)
    log_probs = model.ctc_log_probs(2 * encoded)[0]
    never = sorted({3, *SIZES.starts})
    letters = sorted(set(range(SIZES.num_rows)) - {*never, BLANK_ROW, PAD, END})
    texts = [list(text) for length in range(3) for text in product(letters, repeat=length)]
    scores = []
    for text in texts:
        said = torch.log_softmax(model.logits(EncodedUnits(encoded, None), torch.tensor([[start, *text]]))[0].double(), dim=-1)
        by_decoder = float(said[range(len(text) + 1), [*text, END]].sum())
        scores.append((1 - weight) * by_decoder + weight * float(log_likelihoods(log_probs, [np.array([*text, END])])[0]))
    found = search_together(model, encoded, log_probs, (start, END), len(texts), weight, np.array(never), (0, 2))
    assert found.rows.tolist() == texts[int(np.argmax(scores))]
    assert found.score == pytest.approx(max(scores), abs=1e-4)
