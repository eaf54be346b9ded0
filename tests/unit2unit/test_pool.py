"""The shared past of beams: the decoder's steps against teacher forcing on the same tokens."""

import numpy as np
import pytest
import torch

from avcore.decoding.beam_search import BeamPool, IncrementalDecoder
from avcore.decoding.layers import KeysValues
from tests.unit2unit.tiny import tiny_model
from unit2unit.model import encode

TAG = 36


def sources(generator: np.random.Generator, *lengths: int) -> list[np.ndarray]:
    return [np.concatenate([[0], generator.integers(4, 34, length), [2, 34]]) for length in lengths]


@pytest.mark.parametrize("num_sentences", [1, 3])
def test_steps_with_reorders_equal_teacher_forcing(num_sentences: int) -> None:
    generator = np.random.default_rng(num_sentences)
    model, num_beams = tiny_model(1), 5
    inputs = sources(generator, 9, 4, 13)[:num_sentences]
    with torch.inference_mode():
        decoder = IncrementalDecoder(model.decoder, encode(model, inputs))
        paths = np.full((num_sentences, 1, 1), TAG)
        parents = np.zeros((num_sentences, 1), dtype=np.int64)
        for _ in range(30):
            logits = decoder.step(torch.from_numpy(paths[:, :, -1]), torch.from_numpy(parents))
            for row, source in enumerate(inputs):
                repeated = torch.from_numpy(source)[None].expand(paths.shape[1], -1)
                wanted = model(repeated, torch.from_numpy(paths[row]))[:, -1]
                torch.testing.assert_close(logits[row], wanted, atol=2e-5, rtol=1e-5)
            parents = generator.integers(0, paths.shape[1], (num_sentences, num_beams))
            tokens = generator.integers(4, 34, (num_sentences, num_beams, 1))
            paths = np.concatenate([np.take_along_axis(paths, parents[:, :, None], axis=1), tokens], axis=2)


def test_going_on_with_some_sentences() -> None:
    generator = np.random.default_rng(0)
    model, inputs = tiny_model(2), sources(generator, 6, 11, 3)
    first, parents = torch.full((3, 1), TAG), torch.zeros(3, 1, dtype=torch.int64)
    with torch.inference_mode():
        decoder = IncrementalDecoder(model.decoder, encode(model, inputs))
        decoder.step(first, parents)
        decoder.keep([0, 2])
        logits = decoder.step(torch.tensor([[5, 6], [7, 8]]), torch.zeros(2, 2, dtype=torch.int64))
        for row, number, tokens in ((0, 0, (5, 6)), (1, 2, (7, 8))):
            for beam, token in enumerate(tokens):
                wanted = model(torch.from_numpy(inputs[number])[None], torch.tensor([[TAG, token]]))[0, -1]
                torch.testing.assert_close(logits[row, beam], wanted, atol=2e-5, rtol=1e-5)


def entry(value: float, num_beams: int) -> KeysValues:
    return KeysValues(torch.full((1, 2, num_beams, 3), value), torch.full((1, 2, num_beams, 3), value))


def test_common_ancestors_are_kept_once_and_dead_ones_give_their_slot_back() -> None:
    pool, device = BeamPool(1, 1, torch.device("cpu")), 4
    pool.begin_step(torch.tensor([[0]]))
    pool.extend(0, entry(1, 1))
    for step in range(2, 200):
        # All beams descend from the first one, so that each step leaves one common ancestor and three dead ends.
        mask = pool.begin_step(torch.zeros(1, device, dtype=torch.int64))
        seen = pool.extend(0, entry(step, device))
        assert pool.num_slots <= step + 2 * device + 64
        assert seen.keys.is_contiguous()
        assert seen.keys.shape[2] == mask.shape[3] == pool.num_slots
        visible = seen.keys[0, 0, :, 0][mask[0, 0, 3] == 0]
        assert sorted(visible.tolist()) == list(range(1, step + 1))
