"""Beam search with a decoder: each source is looked at as it was encoded, each token goes through the decoder once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.decoding.attention import KeysValues
from avcore.decoding.beam import Beam, Hypothesis, Rules
from avcore.decoding.beam_cache import BeamPool
from avcore.decoding.layers import Decoder
from avcore.decoding.settings import SearchConfig


class Sources(NamedTuple):
    """What the decoder looks at, sentences side by side: keys and values of each layer, and bool [sentence, 1, 1, time] (True = no
    padding; None = none is padded).
    """

    layers: list[KeysValues]
    mask: Tensor | None


def join_sources(decoder: Decoder, encoded: Sequence[Tensor]) -> Sources:
    """Make `Sources` of float [1, time, dim] each, encoded one by one, padded to the longest."""
    parts = [decoder.source_keys_values(one) for one in encoded]
    if len(encoded) == 1:
        return Sources(parts[0], None)
    device = encoded[0].device
    lengths = torch.tensor([one.shape[1] for one in encoded], device=device)
    longest = int(lengths.max())
    mask = torch.arange(longest, device=device) < lengths[:, None]
    joined = [KeysValues(*(_pad_entries(one, longest) for one in zip(*layer, strict=True))) for layer in zip(*parts, strict=True)]
    return Sources(joined, mask[:, None, None, :])


class IncrementalDecoder:
    """The decoder half way through several sentences, all at the same position.

    Keys and values of a source are made once and looked at by all beams of its sentence; see `BeamPool` for the past.
    """

    def __init__(self, decoder: Decoder, sources: Sources) -> None:
        self._decoder = decoder
        self._source, self._source_mask = sources
        first = self._source[0].keys
        self._device = first.device
        self._pool = BeamPool(len(self._source), len(first), self._device)
        self._index = 0

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """Add a token to each beam and score what may come next.

        tokens, parents: int64 of shape [sentence, beam] on the CPU; parents are indices of the beams of the step before.
        Returns logits, float [sentence, beam, row].
        """
        mask = self._pool.begin_step(parents)
        logits = self._decoder.step(tokens.to(self._device), self._index, mask, self._source, self._source_mask, self._pool.extend)
        self._index += 1
        return logits

    def keep(self, sentences: Sequence[int]) -> None:
        """Go on with these sentences only."""
        chosen = torch.tensor(sentences, device=self._device)
        self._source = [KeysValues(part.keys[chosen], part.values[chosen]) for part in self._source]
        self._source_mask = None if self._source_mask is None else self._source_mask[chosen]
        self._pool.keep(sentences)


@torch.inference_mode()
def search(
    decoder: Decoder,
    sources: Sources,
    config: SearchConfig,
    rules: Sequence[Rules],
    report: Callable[[int], None] | None = None,
) -> list[list[Hypothesis]]:
    """Find the best token sequences for sources side by side.

    rules: one a source, which say what a target begins with. Returns
    each source's hypotheses, best first; none where the network gives no finite scores. report: called with the steps done.
    """
    beams = [Beam(config, rule) for rule in rules]
    half_way = IncrementalDecoder(decoder, sources)
    live = list(range(len(rules)))
    tokens = torch.tensor([[rule.first] for rule in rules])
    parents = torch.zeros_like(tokens)
    longest = max(rule.limit for rule in rules) + 1
    for index in range(longest):
        if report:
            report(index)
        logits = half_way.step(tokens, parents)
        for row, sentence in enumerate(live):
            beams[sentence].advance(logits[row])
        staying = [row for row, sentence in enumerate(live) if not beams[sentence].is_done]
        if not staying:
            break
        if len(staying) < len(live):
            half_way.keep(staying)
            live = [live[row] for row in staying]
        tokens = torch.stack([torch.from_numpy(beams[sentence].tokens) for sentence in live])
        parents = torch.stack([torch.from_numpy(beams[sentence].parents) for sentence in live])
    if report:
        report(longest)
    return [beam.hypotheses for beam in beams]


def _pad_entries(parts: Sequence[Tensor], longest: int) -> Tensor:
    return torch.cat([F.pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts])
