"""Beam search with the network: each source is encoded once, each token goes through the decoder once."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.units import Ids
from unit2unit.attention import KeysValues
from unit2unit.beam import Beam, Hypothesis, Rules
from unit2unit.beam_cache import BeamPool
from unit2unit.config import SearchConfig
from unit2unit.model import UnitTransformer


class IncrementalDecoder:
    """The decoder half way through several sentences, all at the same position.

    Keys and values of a source are made once and looked at by all beams of its sentence; see `BeamPool` for the past.
    """

    def __init__(self, model: UnitTransformer, sources: Sequence[Ids]) -> None:
        self._decoder = model.decoder
        self._device = next(model.parameters()).device
        self._source, self._source_mask = _encode(model, sources, self._device)
        self._pool = BeamPool(len(self._source), len(sources), self._device)
        self._index = 0

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """Add a token to each beam and score what may come next.

        tokens, parents: int64 [sentence, beam] on the CPU; parents are indices of the beams of the step before.
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
    model: UnitTransformer,
    sources: Sequence[Ids],
    config: SearchConfig,
    rules: Sequence[Rules],
    report: Callable[[int], None] | None = None,
) -> list[list[Hypothesis]]:
    """Translate token sequences side by side.

    sources: int64 [S] each, as the encoder reads them. rules: one a source; a target begins with its end tag. Returns
    each source's hypotheses, best first; none where the network gives no finite scores. report: called with the steps done.
    """
    beams = [Beam(config, rule) for rule in rules]
    decoder = IncrementalDecoder(model, sources)
    live = list(range(len(sources)))
    tokens = torch.tensor([[rule.end] for rule in rules])
    parents = torch.zeros_like(tokens)
    longest = max(rule.limit for rule in rules) + 1
    for index in range(longest):
        if report:
            report(index)
        logits = decoder.step(tokens, parents)
        for row, sentence in enumerate(live):
            beams[sentence].advance(logits[row])
        staying = [row for row, sentence in enumerate(live) if not beams[sentence].is_done]
        if not staying:
            break
        if len(staying) < len(live):
            decoder.keep(staying)
            live = [live[row] for row in staying]
        tokens = torch.stack([torch.from_numpy(beams[sentence].tokens) for sentence in live])
        parents = torch.stack([torch.from_numpy(beams[sentence].parents) for sentence in live])
    if report:
        report(longest)
    return [beam.hypotheses for beam in beams]


def _encode(model: UnitTransformer, sources: Sequence[Ids], device: torch.device) -> tuple[list[KeysValues], Tensor | None]:
    """Encode one by one, so that a source's numbers do not depend on its neighbours; then pad to the longest."""
    encoded = [model.decoder.source_keys_values(model.encoder(torch.from_numpy(source)[None].to(device))[0]) for source in sources]
    if len(sources) == 1:
        return encoded[0], None
    lengths = torch.tensor([len(source) for source in sources], device=device)
    longest = int(lengths.max())
    mask = torch.arange(longest, device=device) < lengths[:, None]
    joined = [
        KeysValues(*(_pad_entries(parts, longest) for parts in zip(*layer, strict=True))) for layer in zip(*encoded, strict=True)
    ]
    return joined, mask[:, None, None, :]


def _pad_entries(parts: Sequence[Tensor], longest: int) -> Tensor:
    return torch.cat([F.pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts])
