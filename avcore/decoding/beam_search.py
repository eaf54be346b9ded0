"""Beam search with a decoder: each source is encoded once, and each token goes through the decoder once.

The beams of a sentence are branches of one tree, so most of their past is the same. Keys and values of each (step, ancestor) are
kept once, in a slot of a pool, and the beams are queries to the whole pool under a mask that shows each beam its own ancestors.
Reordering the beams moves rows of the mask, never keys; slots from which no beam descends are used again.

A step attends to the whole pool, with empty slots masked. The pool grows a little at a time, is contiguous, and keeps its shape for
many steps: products on a part of a larger pool would copy that part first (oneDNN's bfloat16 products: 185 microseconds instead of
58 for 300 entries of 16 heads of 64).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from math import ceil, prod
from typing import Generic, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.compute.threads import products_alone_on, workers_on
from avcore.contracts import Hypothesis
from avcore.decoding.beam import Beam, Choice, Chosen, Live, SearchConfig, SearchRules, book
from avcore.decoding.layers import Decoder, KeysValues

Made = TypeVar("Made")
_GROWTH_SHARE = 8
"""A pool grows by one slot for every so many slots, at least by `_LEAST_GROWTH`."""
_LEAST_GROWTH = 64
_LEAST_GROWTH_ON_GPU = 512
"""Each size needs a graph of its own."""
_STEPS_AHEAD = 16
"""Steps between two reads of results from a GPU, since reading waits for it. Fewer than so many steps are wasted at the end."""
_LIVE_SHARE = 0.5
"""On a GPU finished sentences stay in the batch until at most this share is left: a smaller batch needs another graph."""


def can_record(device: torch.device) -> bool:
    """Return whether work on a device can be recorded."""
    return device.type == "cuda"


class Recorded(Generic[Made]):
    """The work of a function on a CUDA device, recorded as a graph and repeated in the same memory.

    The function must not wait for the device, and must have run before, so that libraries are loaded. Recording computes nothing.
    A replay reads its inputs from the same memory, and overwrites the tensors that the function returned.
    """

    def __init__(self, work: Callable[[], Made]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._made = work()

    def replay(self) -> Made:
        """Repeat the work; returns the function's tensors, which the next replay overwrites."""
        self._graph.replay()
        return self._made


class BeamPool:
    """The past of several sentences' beams.

    Slots and mask are the same in all layers. Call `make_room` and `begin_step` before each step of the decoder, then `extend` once
    for each layer. A step changes tensors in place, so that it can be recorded.
    """

    def __init__(self, num_layers: int, num_sentences: int, device: torch.device) -> None:
        self._layers: list[KeysValues | None] = [None] * num_layers
        self._device = device
        self._is_ancestor = torch.zeros(num_sentences, 1, 0, dtype=torch.bool, device=device)
        self._surely_free = 0
        self._rows = self._slots = torch.zeros(num_sentences, 0, dtype=torch.int64, device=device)

    @property
    def num_slots(self) -> int:
        """Entries that a step attends to, including unused ones."""
        return self._is_ancestor.shape[2]

    def make_room(self, num_beams: int) -> None:
        """Ensure a free slot for each beam of the next step; free slots are counted each time on a CPU, now and then on a GPU."""
        ahead = steps_ahead(self._device)
        if ahead == 1 or self._surely_free < num_beams:
            self._surely_free = int((~self._is_ancestor.any(1)).sum(1).min())
            missing = ahead * num_beams - self._surely_free
            if missing > 0:
                least = _LEAST_GROWTH if ahead == 1 else _LEAST_GROWTH_ON_GPU
                added = max(missing, least, self.num_slots // _GROWTH_SHARE)
                added = added if ahead == 1 else ceil(added / least) * least
                self._is_ancestor = F.pad(self._is_ancestor, (0, added))
                self._layers = [None if kept is None else self._grown(kept) for kept in self._layers]
                self._surely_free += added
        self._surely_free -= num_beams

    def begin_step(self, parents: Tensor) -> Tensor:
        """Continue beams from `parents` and give each a slot.

        parents: int64 [sentence, beam], indices of the beams of the step before. Returns the mask of the step's self-attention,
        float [sentence, 1, beam, entry]: 0 for a beam's ancestors and itself, -inf elsewhere.
        """
        num_beams = parents.shape[1]
        rows = torch.arange(len(parents), device=self._device)[:, None]
        ancestors = self._is_ancestor[rows, parents]
        free = ~ancestors.any(1)
        slots = free.byte().sort(dim=1, descending=True, stable=True).indices[:, :num_beams]
        # `ancestors[..] = True` would copy a number from the CPU, which a CUDA graph refuses.
        ancestors.scatter_(2, slots[..., None], True)
        self._is_ancestor = in_place(self._is_ancestor, ancestors)
        self._rows, self._slots = rows, slots
        mask = torch.zeros(len(parents), 1, num_beams, ancestors.shape[2], device=self._device)
        return mask.masked_fill_(~ancestors[:, None], -torch.inf)

    def extend(self, layer: int, new: KeysValues) -> KeysValues:
        """Store a layer's keys and values of this step, float [sentence, head, beam, width]; returns those of all slots."""
        kept = self._layers[layer] or self._grown(KeysValues(*(part[:, :, :0] for part in new)))
        self._layers[layer] = kept
        for pool, part in zip(kept, new, strict=True):
            pool[self._rows, :, self._slots] = part.transpose(1, 2)
        return kept

    def keep(self, sentences: Tensor) -> None:
        """Drop all sentences except these, int64 [n]."""
        self._is_ancestor = self._is_ancestor[sentences]
        self._layers = [None if kept is None else KeysValues(kept.keys[sentences], kept.values[sentences]) for kept in self._layers]

    def _grown(self, kept: KeysValues) -> KeysValues:
        # Zeros, because a slot that was never used is multiplied by a weight of 0, and 0 * NaN is NaN.
        return KeysValues(*(F.pad(part, (0, 0, 0, self.num_slots - part.shape[2])) for part in kept))


def in_place(kept: Tensor, new: Tensor) -> Tensor:
    """Return `kept` with the values of `new`, or `new` itself where it has another shape."""
    return kept.copy_(new) if kept.shape == new.shape else new


class Sources(NamedTuple):
    """Several encoded sentences, as the decoder attends to them."""

    layers: list[KeysValues]
    """keys and values for each layer"""
    mask: Tensor | None
    """bool [sentence, 1, 1, time], True = no padding; None = no sentence is padded"""

    def only(self, sentences: Sequence[int]) -> "Sources":
        """Return the sources of some sentences."""
        chosen = torch.tensor(sentences).to(self.layers[0].keys.device)
        layers = [KeysValues(part.keys[chosen], part.values[chosen]) for part in self.layers]
        return Sources(layers, None if self.mask is None else self.mask[chosen])


def join_sources(decoder: Decoder, encoded: Sequence[Tensor]) -> Sources:
    """Make `Sources` of sentences that were encoded one by one, float [1, time, dim] each, padded to the longest."""
    parts = [decoder.source_keys_values(one) for one in encoded]
    if len(encoded) == 1:
        return Sources(parts[0], None)
    device, lengths = encoded[0].device, [one.shape[1] for one in encoded]
    longest = max(lengths)
    mask = torch.arange(longest, device=device) < torch.tensor(lengths, device=device)[:, None]
    joined = [KeysValues(*(_pad_entries(one, longest) for one in zip(*layer, strict=True))) for layer in zip(*parts, strict=True)]
    return Sources(joined, mask[:, None, None, :])


class IncrementalDecoder:
    """The decoder in the course of several sentences, all at the same position.

    Keys and values of a source are made once, and all beams of its sentence attend to them; see `BeamPool` for the past.
    """

    def __init__(self, decoder: Decoder, sources: Sources, most: int) -> None:
        """most: largest number of steps."""
        self._decoder = decoder
        self._source, mask = sources
        # Adding the mask to the scores is faster than filling them, at each step of each layer.
        self._source_mask = None if mask is None else torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -torch.inf)
        first = self._source[0].keys
        self._device = first.device
        self._pool = BeamPool(len(self._source), len(first), self._device)
        self._positions = decoder.embed_positions.table(most, self._device)
        self._index = torch.zeros(1, dtype=torch.int64, device=self._device)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sentences, and of slots for the past of each."""
        return len(self._source[0].keys), self._pool.num_slots

    def make_room(self, num_beams: int) -> None:
        """Ensure free slots; call it before each step, since the step itself does not wait for the device."""
        self._pool.make_room(num_beams)

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """Add a token to each beam and score the next tokens.

        tokens, parents: int64 [sentence, beam]; parents are indices of the beams of the step before. Returns logits, float
        [sentence, beam, row].
        """
        mask = self._pool.begin_step(parents.to(self._device))
        position = self._positions.index_select(0, self._index)
        self._index += 1
        return self._decoder.step(tokens.to(self._device), position, mask, self._source, self._source_mask, self._pool.extend)

    def keep(self, sentences: Sequence[int]) -> None:
        """Go on with these sentences only."""
        self._source, self._source_mask = Sources(self._source, self._source_mask).only(sentences)
        self._pool.keep(torch.tensor(sentences).to(self._device))


class _Search:
    """A search over several sentences in progress. On a GPU a step is recorded once and then launched as a whole: its 400 operators
    take a few microseconds each, and several times as long to launch one by one."""

    def __init__(self, decoder: Decoder, sources: Sources, config: SearchConfig, rules: Sequence[SearchRules]) -> None:
        device = sources.layers[0].keys.device
        most = max(rule.limit for rule in rules) + 1
        self._decoder = IncrementalDecoder(decoder, sources, most)
        self._choice = Choice(config, rules, decoder.embed_tokens.num_embeddings, device)
        self._live = self._choice.begin(rules)
        self._threads = workers_on(device, torch.get_num_threads())
        self._records = can_record(device)
        self._kind: object = None
        self._recorded: Recorded[Chosen] | None = None

    def step(self, index: int) -> Chosen:
        """Take the step `index`, from 0."""
        self._decoder.make_room(self._live.tokens.shape[1])
        kind = self._choice.kind(index)
        if not self._records or kind is None:
            with products_alone_on(self._threads) if self._threads > 1 else nullcontext():
                return self._take(index)

        if self._kind != (kind := (kind, self._decoder.shape)):
            self._kind, self._recorded = kind, None
            return self._take(index)  # the first step of a kind allocates what cannot be allocated during recording

        if self._recorded is None:
            self._recorded = Recorded(lambda: self._take(index))
        chosen = self._recorded.replay()
        return Chosen(chosen.ranks.clone(), chosen.values.clone(), None)

    @property
    def num_entries(self) -> int:
        """Entries of the past of all sentences, including unused ones."""
        return prod(self._decoder.shape)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these sentences only."""
        self._decoder.keep(rows)
        self._choice.keep(rows)
        chosen = torch.tensor(rows).to(self._live.tokens.device)
        self._live = Live(*(one[chosen] for one in self._live))

    def _take(self, index: int) -> Chosen:
        logits = self._decoder.step(self._live.tokens, self._live.parents)
        chosen, live = self._choice.choose(logits, self._live, index)
        self._live = Live(*(in_place(kept, new) for kept, new in zip(self._live, live, strict=True)))
        return chosen


@torch.inference_mode()
def search(
    decoder: Decoder,
    sources: Sources,
    config: SearchConfig,
    rules: Sequence[SearchRules],
    report: Callable[[int], None] | None = None,
    most_entries: int | None = None,
) -> list[list[Hypothesis]]:
    """Find the best token sequences for several sources at once.

    rules: one for each source. report: called with the number of steps done. most_entries: limit for the past of all sentences
    together, on a CPU only: a search that exceeds it puts off half of its sentences and searches them anew afterwards, with the
    same results. Returns each source's hypotheses, best first; none where the network gives no finite scores.
    """
    beams = [Beam(config, rule, decoder.embed_tokens.num_embeddings) for rule in rules]
    half_way, ahead = _Search(decoder, sources, config, rules), steps_ahead(sources.layers[0].keys.device)
    live, unread = list(range(len(rules))), list[tuple[list[Beam], Chosen]]()
    longest = max(rule.limit for rule in rules) + 1
    put_off: list[int] = []

    for index in range(longest):
        if report:
            report(index)
        unread.append(([beams[sentence] for sentence in live], half_way.step(index)))
        if not (index + 1) % ahead or any(rules[sentence].limit == index for sentence in live):
            book(unread)
            unread.clear()
            staying = [row for row, sentence in enumerate(live) if not beams[sentence].is_done]
            if not staying:
                break
            if most_entries is not None and ahead == 1 and len(staying) > 1 and half_way.num_entries > most_entries:
                put_off += [live[row] for row in staying[len(staying) // 2 :]]
                staying = staying[: len(staying) // 2]
            if len(staying) < len(live) and (ahead == 1 or len(staying) <= _LIVE_SHARE * len(live)):
                half_way.keep(staying)
                live = [live[row] for row in staying]

    found = [beam.hypotheses for beam in beams]
    if put_off:
        # `report` may also end the work by raising, so it is called on, with the progress at its end.
        check = None if report is None else lambda _: report(longest)
        again = search(decoder, sources.only(put_off), config, [rules[one] for one in put_off], check, most_entries)
        for sentence, hypotheses in zip(put_off, again, strict=True):
            found[sentence] = hypotheses

    if report:
        report(longest)
    return found


def steps_ahead(device: torch.device) -> int:
    """Return how many steps of a search are taken before their results are read; 1 on a CPU, where reading costs nothing."""
    return 1 if device.type == "cpu" else _STEPS_AHEAD


def _pad_entries(parts: Sequence[Tensor], longest: int) -> Tensor:
    return torch.cat([F.pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts])
