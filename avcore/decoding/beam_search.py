"""Beam search with a decoder: each source is looked at as it was encoded, each token goes through the decoder once.

Keys and values of the decoder's past are shared by the beams of a sentence, which are branches of one tree: most of their past is
common. So each (step, ancestor) is kept once, in a slot of a pool, and the beams are queries to the whole pool under a mask that
shows each its own ancestors. A reorder of the beams then moves rows of the mask, never keys; slots that no beam descends from
are used again.

A step attends to the whole pool, empty slots masked. So the pool grows a little at a time, and what is handed out is
contiguous and keeps its shape for many steps: products on a part of a larger pool would copy that part first (oneDNN's
bfloat16 products: 185 microseconds instead of 58 for 300 entries of 16 heads of 64).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.contracts import Hypothesis
from avcore.decoding.beam import Beam, Chosen, SearchConfig, SearchRules, book
from avcore.decoding.layers import Decoder, KeysValues

_LEAST_GROWTH = 64
_GROWTH_SHARE = 8
"""A pool grows by one slot for this many that it has, at least by `_LEAST_GROWTH`."""
_STEPS_AHEAD = 16
"""Steps between two looks at what a device other than the CPU has found: a look waits for it. Fewer than so many are in vain."""


class BeamPool:
    """The past of several sentences' beams.

    Slots and mask are the same in all layers. `begin_step` comes before each step of the decoder, then `extend` once for
    each layer.
    """

    def __init__(self, num_layers: int, num_sentences: int, device: torch.device) -> None:
        self._layers: list[KeysValues | None] = [None] * num_layers
        self._device = device
        self._is_ancestor = torch.zeros(num_sentences, 1, 0, dtype=torch.bool, device=device)
        self._surely_free = 0
        self._rows = self._slots = torch.zeros(num_sentences, 0, dtype=torch.int64, device=device)

    @property
    def num_slots(self) -> int:
        """Entries that a step attends to, those not in use included."""
        return self._is_ancestor.shape[2]

    def begin_step(self, parents: Tensor) -> Tensor:
        """Let beams descend from `parents` and give each a slot.

        parents: int64 of shape [sentence, beam], indices of the beams of the step before. Returns the mask of the
        step's self-attention, float [sentence, 1, beam, entry]: 0 for a beam's ancestors and itself, -inf elsewhere.
        """
        num_beams = parents.shape[1]
        rows = torch.arange(len(parents), device=self._device)[:, None]
        ancestors = self._is_ancestor[rows, parents]
        free = ~ancestors.any(1)
        missing = self._missing(free, num_beams)
        if missing:
            added = max(missing, _LEAST_GROWTH, ancestors.shape[2] // _GROWTH_SHARE)
            ancestors = torch.cat([ancestors, ancestors.new_zeros(*ancestors.shape[:2], added)], dim=2)
            free = torch.cat([free, free.new_ones(len(free), added)], dim=1)
            self._surely_free += added
        self._surely_free -= num_beams
        slots = free.byte().sort(dim=1, descending=True, stable=True).indices[:, :num_beams]
        ancestors[rows, torch.arange(num_beams, device=self._device), slots] = True
        self._is_ancestor = ancestors
        self._rows, self._slots = rows, slots
        mask = torch.zeros(len(parents), 1, num_beams, ancestors.shape[2], device=self._device)
        return mask.masked_fill_(~ancestors[:, None], -torch.inf)

    def _missing(self, free: Tensor, num_beams: int) -> int:
        """Return how many slots to add. free: bool [sentence, slot]; on a CPU they are counted at each step, elsewhere once in a
        while."""
        ahead = steps_ahead(self._device)
        if ahead > 1 and self._surely_free >= num_beams:
            return 0
        self._surely_free = int(free.sum(1).min())
        return max(0, ahead * num_beams - self._surely_free)

    def extend(self, layer: int, new: KeysValues) -> KeysValues:
        """Store a layer's keys and values of this step, float [sentence, head, beam, width]; returns all, by slot."""
        kept = self._with_room(self._layers[layer], new)
        self._layers[layer] = kept
        for pool, part in zip(kept, new, strict=True):
            pool[self._rows, :, self._slots] = part.transpose(1, 2)
        return kept

    def keep(self, sentences: Sequence[int]) -> None:
        """Forget all sentences but these."""
        chosen = torch.tensor(sentences, dtype=torch.int64, device=self._device)
        self._is_ancestor = self._is_ancestor[chosen]
        self._layers = [None if kept is None else KeysValues(kept.keys[chosen], kept.values[chosen]) for kept in self._layers]

    def _with_room(self, kept: KeysValues | None, new: KeysValues) -> KeysValues:
        if kept is not None and kept.keys.shape[2] >= self.num_slots:
            return kept
        sentences, heads, _, width = new.keys.shape
        grown = KeysValues(*(new.keys.new_empty(sentences, heads, self.num_slots, width) for _ in range(2)))
        filled = 0 if kept is None else kept.keys.shape[2]
        for number, pool in enumerate(grown):
            if kept is not None:
                pool[:, :, :filled] = kept[number]
            # Zeros, because a slot that was never used is multiplied by a weight of 0, and 0 * NaN is NaN.
            pool[:, :, filled:] = 0
        return grown


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
    device, lengths = encoded[0].device, [one.shape[1] for one in encoded]
    longest = max(lengths)
    mask = torch.arange(longest, device=device) < torch.tensor(lengths, device=device)[:, None]
    joined = [KeysValues(*(_pad_entries(one, longest) for one in zip(*layer, strict=True))) for layer in zip(*parts, strict=True)]
    return Sources(joined, mask[:, None, None, :])


class IncrementalDecoder:
    """The decoder half way through several sentences, all at the same position.

    Keys and values of a source are made once and looked at by all beams of its sentence; see `BeamPool` for the past.
    """

    def __init__(self, decoder: Decoder, sources: Sources) -> None:
        self._decoder = decoder
        self._source, mask = sources
        # Added to the scores at each step of each layer, which is quicker than filling them in.
        self._source_mask = None if mask is None else torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -torch.inf)
        first = self._source[0].keys
        self._device = first.device
        self._pool = BeamPool(len(self._source), len(first), self._device)
        self._index = 0

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """Add a token to each beam and score what may come next.

        tokens, parents: int64 of shape [sentence, beam]; parents are indices of the beams of the step before. Returns logits,
        float [sentence, beam, row].
        """
        mask = self._pool.begin_step(parents.to(self._device))
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
    rules: Sequence[SearchRules],
    report: Callable[[int], None] | None = None,
) -> list[list[Hypothesis]]:
    """Find the best token sequences for sources side by side.

    rules: one a source, which say what a target begins with. Returns
    each source's hypotheses, best first; none where the network gives no finite scores. report: called with the steps done.
    """
    beams = [Beam(config, rule) for rule in rules]
    half_way = IncrementalDecoder(decoder, sources)
    device = sources.layers[0].keys.device
    ahead = steps_ahead(device)
    live, unread = list(range(len(rules))), list[tuple[Beam, Chosen]]()
    tokens = torch.tensor([[rule.first] for rule in rules], device=device)
    parents = torch.zeros_like(tokens)
    longest = max(rule.limit for rule in rules) + 1
    for index in range(longest):
        if report:
            report(index)
        logits = half_way.step(tokens, parents)
        unread += [(beams[sentence], beams[sentence].choose(logits[row])) for row, sentence in enumerate(live)]
        if not (index + 1) % ahead or any(rules[sentence].limit == index for sentence in live):
            book(unread)
            unread.clear()
            staying = [row for row, sentence in enumerate(live) if not beams[sentence].is_done]
            if not staying:
                break
            if len(staying) < len(live):
                half_way.keep(staying)
                live = [live[row] for row in staying]
        tokens = torch.stack([beams[sentence].live.tokens for sentence in live])
        parents = torch.stack([beams[sentence].live.parents for sentence in live])
    if report:
        report(longest)
    return [beam.hypotheses for beam in beams]


def steps_ahead(device: torch.device) -> int:
    """Return how many steps of a search are taken before what they found is looked at; on a CPU, where looking costs nothing,
    one."""
    return 1 if device.type == "cpu" else _STEPS_AHEAD


def _pad_entries(parts: Sequence[Tensor], longest: int) -> Tensor:
    return torch.cat([F.pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts])
