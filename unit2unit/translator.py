"""The unit translator that other packages use: it loads a checkpoint to a device, and translates sequences of units."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch

from avcore.checkpoints.checkpoint import read_again, read_checkpoint
from avcore.checkpoints.layouts import read_setting
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import Reloadable, ready_for_inference, resolve_device, resolve_precision
from avcore.compute.kernels import EightBits, eight_bits_beside, lay_out_all
from avcore.compute.memory import free_memory_bytes
from avcore.compute.threads import side_by_side, taken, workers_on
from avcore.contracts import Hypothesis, Translation, Translator, require_units
from avcore.decoding.beam import SearchConfig, SearchRules
from avcore.domain import Domain, DomainScore, Stretch
from avcore.errors import CheckpointError, UnitError, UnitRangeError, UsageError
from avcore.progress import Progress, silent
from avcore.units import Ids, Units, normalise_language, require_language, require_same_vocabulary
from unit2unit.model import LENGTH_TAGS, UnitTransformer, load_transformer, search_beams
from unit2unit.stage import TRANSLATOR

_ADD_KOREAN: Final = (
    "add it and fine-tune: python -m unit2unit.utut_finetune.add_language, then python -m unit2unit.utut_finetune.finetune"
)
_MOST_SOURCE: Final = 8
"""Longest input of one piece, as a multiple of the positions that the model was trained on. It is far beyond what makes sense, and
still takes seconds; the work grows with the square."""
_MAX_WORKERS: Final = 4
"""Threads that search side by side. Each reads all weights at each step. 2 threads on 2 cores are 1.7 times as fast as both cores
for each product; more were not tried."""
_MOST_OFFSET: Final = 100_000
_EXPECTED_RATIO: Final = 1.2
"""Steps that a translation is expected to take for each token of its source: 0.83 of Ko-X's 150,660 pairs have no more units. The
search's limit is far above it."""


class _BatchLimits(NamedTuple):
    """Limits of what is searched in one batch."""

    sentences: int
    """sentences in a batch"""
    steps: int
    """steps that all its sentences are expected to take"""
    entries: int | None
    """entries of the decoder's cache (100 KB each at published size): a search that needs more goes on with half of its sentences
    first; None: no limit"""


_ON_CPU: Final = _BatchLimits(4, 2000, 4000)
"""A batch reads the weights once: 4 sentences are 1.4 times as fast on a CPU; 8 bring 1.55 for twice the memory."""
_FREE_SHARE: Final = 0.5
"""Share of a GPU's free memory for entries of the cache."""


class UnitTranslator(Reloadable[UnitTransformer]):
    """A unit translator, ready to run. Its weights are held once, without gradients.

    trained_on: fingerprint of the quantizer of its units, "" = not stated. domain: the score to expect, None = not stated.
    unit_offset: the number of the model's first unit.
    lengths: the lengths of translation that it offers (LENGTH_TAGS); a model that was trained without tags has only "even".
    """

    def __init__(
        self, model: UnitTransformer, checkpoint: Checkpoint, unit_offset: int, load: Callable[[], UnitTransformer] | None = None
    ) -> None:
        """Wrap a loaded model; `from_checkpoint` is the usual way.

        load: makes an equal model, see `unload`; None = this one stays in memory.
        """
        super().__init__(model, load)
        self._config = model.config
        self._vocabulary = model.config.vocabulary
        self.trained_on = str(checkpoint.config.get("vocabulary") or "")
        self.domain = Domain.from_config(checkpoint.config, checkpoint.path)

        self.unit_offset = unit_offset
        self.path = checkpoint.path
        self.fingerprint = checkpoint.fingerprint
        self._owner = f"the translator {checkpoint.path.name}"

        search = SearchConfig.from_generation(checkpoint.config.get("generation") or {}, checkpoint.path)
        is_merged = bool(checkpoint.config["task"].get("merged_units"))
        self.lengths = tuple(LENGTH_TAGS) if checkpoint.config["task"].get("length_tags") else ("even",)
        # By the published rule a beam of few places fills with unlikely early ends: 10 places were worse than 1.
        stops_early = search.early_stopping and len(self.lengths) == 1
        self.default_search = replace(search, no_repeat_unit=search.no_repeat_unit or is_merged, early_stopping=stops_early)

    @classmethod
    def from_checkpoint(
        cls, path: str | Path, device: str = "cpu", precision: str = "float32", unit_offset: int | None = None
    ) -> "UnitTranslator":
        """Load a published .pt file or our own .safetensors.

        unit_offset: the number of the model's first unit, added before translation and taken off after it; None = as the
        checkpoint states, 0 if it states none. Raises CheckpointError or UsageError.
        """
        where = resolve_device(device)
        dtype = resolve_precision(precision, where)
        eight_bits = eight_bits_beside(dtype) if where.type == "cpu" and precision != "float32" else None
        checkpoint = read_checkpoint(path, TRANSLATOR)
        # Not the checkpoint itself: as part of `load`, its tensors would stay in memory after `unload`.
        place, known = checkpoint.path, checkpoint.fingerprint

        def load() -> UnitTransformer:
            return _ready(read_again(place, TRANSLATOR, known), where, dtype, eight_bits)

        model = _ready(checkpoint, where, dtype, eight_bits)
        stored = read_setting(checkpoint.config, "unit_offset", 0, "the translator", checkpoint.path, (0, _MOST_OFFSET))
        return cls(model, checkpoint, stored if unit_offset is None else unit_offset, load)

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it translates between."""
        return self._vocabulary.languages

    def translate(
        self, units: Units, source: str = "en", target: str = "ko", search: SearchConfig | None = None, progress: Progress = silent
    ) -> Translation:
        """Translate one sequence. Repeats in it are merged first; its durations are not used.

        search: None = the settings stored with the checkpoint (`default_search`). Raises LanguageError, UnitRangeError,
        VocabularyError, or UsageError for settings that the search cannot use.
        """
        return self.translate_batch([units], source, target, search, progress)[0]

    def translate_batch(
        self,
        sequences: Sequence[Units],
        source: str = "en",
        target: str = "ko",
        search: SearchConfig | None = None,
        progress: Progress = silent,
    ) -> list[Translation]:
        """Translate several sequences at once: the same results as one by one (see `translate`), in less time.

        A translator with several lengths has a beam for each length; they are searched in the same batches.
        """
        settings = search or self.default_search
        source, target = self.require_language(source), self.require_language(target)
        tokens = [self._source_tokens(units, source, length) for units in sequences for length in self.lengths]
        rules = [self._rules(len(token), target, settings) for token in tokens]

        model = self.model
        num_workers = max(min(workers_on(model.device, _MAX_WORKERS), len(tokens)), 1)
        limits = _batch_limits(model, settings.beam)
        expected = [min(rule.limit, ceil(_EXPECTED_RATIO * len(one))) for one, rule in zip(tokens, rules, strict=True)]
        groups = _group([len(token) for token in tokens], expected, limits, num_workers)
        steps = _Steps(progress, [max(rules[number].limit for number in group) + 1 for group in groups])
        left = deque(reversed(range(len(groups))))  # the longest first, so that threads end at about the same time
        found: dict[int, list[Hypothesis]] = {}

        def search_groups(is_first: bool, check: Callable[[], None]) -> None:
            while (place := taken(left)) is not None:
                group, report = groups[place], partial(steps.report, place, is_first, check)
                given = [tokens[one] for one in group], settings, [rules[one] for one in group]
                hypotheses = search_beams(model, *given, report, limits.entries)
                found.update(zip(group, hypotheses, strict=True))

        # Before the threads start, which would otherwise wait for one another at each layer.
        lay_out_all(model)
        side_by_side([partial(search_groups, worker == 0) for worker in range(min(num_workers, len(groups)))])
        steps.end()

        each = len(self.lengths)
        by_length = ([found[place * each + rank] for rank in range(each)] for place in range(len(sequences)))
        return [self._translation(units, target, one) for units, one in zip(sequences, by_length, strict=True)]

    def readings(self, score: float, weakest: Stretch | None) -> list[DomainScore]:
        """Return the scores of a translation that its domain has figures for: the score of all of it, and of its weakest part."""
        scores = [DomainScore("the translation's score", score, self.domain)]
        if weakest is not None:
            scores.append(DomainScore("its score at its weakest", weakest.score, self.domain, "weakest"))
        return scores

    def require_language(self, language: str) -> str:
        """Return the two-letter name of a language that it has; raises LanguageError listing those it has."""
        hint = _ADD_KOREAN if normalise_language(language) == "ko" else None
        return require_language(language, self.languages, self._owner, hint)

    def _source_tokens(self, units: Units, language: str, length: str) -> Ids:
        require_same_vocabulary(require_units(units).vocabulary, self.trained_on, self._owner)
        size = self._vocabulary.num_units
        outside = np.flatnonzero((units.ids >= size) | (units.ids + self.unit_offset >= size) | (units.ids + self.unit_offset < 0))
        if outside.size:
            raise UnitRangeError(int(units.ids[outside[0]]), int(outside[0]), size - max(self.unit_offset, 0))
        merged, most = units.merged().ids, _MOST_SOURCE * self._config.max_source_positions
        if len(merged) > most:
            raise UnitError(
                "these are too many units to be translated in one piece",
                expected=f"{most} at most",
                found=len(merged),
                hint="cut the recording at its pauses, as netflips dub --timing source does",
            )

        return self._vocabulary.source_tokens(merged + self.unit_offset, language, length)

    def _rules(self, source_length: int, target: str, settings: SearchConfig) -> SearchRules:
        widest = self._vocabulary.num_rows - 2
        if settings.beam > widest:
            raise UsageError(
                "the beam is wider than the translator's dictionary", expected=f"{widest} at most", found=settings.beam
            )
        limit = settings.limit(source_length, self._config.max_target_positions)
        return SearchRules(self._vocabulary.tag(target), self._vocabulary.suppressed(target), limit)

    def _translation(self, units: Units, target: str, by_length: Sequence[list[Hypothesis]]) -> Translation:
        """Return the best translation of the source's own length, with the best of each other length as alternatives.

        Hypotheses of other lengths follow in the order of their scores: a less likely one is worse, and not only of another length.
        """
        even, *rest = by_length
        hypotheses = [*even, *sorted((one for found in rest for one in found), key=lambda one: -one.score)]
        if not hypotheses:
            raise CheckpointError("the translator gives no finite scores", path=self.path, hint="its weights are damaged")

        # Beams for several lengths may find the same units, which are one alternative. The first one is the translation itself.
        others = dict[bytes, Translation]()
        for one in (found[0] for found in by_length if found and len(by_length) > 1):
            translated = self._named(one, units, target)
            others.setdefault(translated.ids.tobytes(), Translation(translated, one.is_cut, (one,)))
        best = self._named(hypotheses[0], units, target)
        return Translation(best, hypotheses[0].is_cut, tuple(hypotheses), tuple(others.values())[1:])

    def _named(self, one: Hypothesis, units: Units, target: str) -> Units:
        ids = self._vocabulary.units(one.tokens) - self.unit_offset
        named = (ids >= 0) & (ids < self._vocabulary.num_units)
        return Units(ids[named], None, target, units.vocabulary or self.trained_on)


def _ready(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, eight_bits: EightBits | None) -> UnitTransformer:
    """Load the network. The layers' products are in `dtype`; the residual stream and the scores, where small differences decide,
    are in float32."""
    model = load_transformer(checkpoint).to(device)
    return ready_for_inference(model, dtype, model.encoder.layers, few_rows=model.decoder.layers, eight_bits=eight_bits)


def _batch_limits(model: UnitTransformer, beam: int) -> _BatchLimits:
    """Return the limits of a batch. On a GPU they are those of its memory: a step takes hardly longer for more sentences."""
    if model.device.type != "cuda":
        return _ON_CPU
    # Keys and values of all layers in float32, for one position of one beam.
    entry_bytes = 2 * model.config.decoder.num_layers * model.config.dim * 4
    steps = int(_FREE_SHARE * free_memory_bytes(model.device) / (beam * entry_bytes))
    return _BatchLimits(steps, steps, None)


def _group(lengths: Sequence[int], steps: Sequence[int], limits: _BatchLimits = _ON_CPU, num_workers: int = 1) -> list[list[int]]:
    """Return batches of sentences, by number, within the limits; sentences of similar length are dealt out to the threads.

    steps: the steps that each sentence is expected to take.
    """
    groups: list[list[int]] = []
    left = sorted(range(len(lengths)), key=lambda number: lengths[number])

    # The longest first. By length, because a batch that has lost its short sentences takes longer for each of the rest.
    while left:
        most = min(limits.sentences, ceil(len(left) / num_workers))
        dealt: list[int] = []
        longest = 0
        while left and len(dealt) < most * num_workers:
            longest = max(longest, steps[left[-1]])
            if dealt and longest * ceil((len(dealt) + 1) / num_workers) > limits.steps:
                break
            dealt.append(left.pop())

        # There and back, so that threads end at about the same time: who gets the longest gets the shortest, too.
        hands: list[list[int]] = [[] for _ in range(min(num_workers, len(dealt)))]
        for rank, number in enumerate(dealt):
            turn, place = divmod(rank, len(hands))
            hands[-1 - place if turn % 2 else place].insert(0, number)
        groups[:0] = reversed(hands)

    return groups


class _Steps:
    """Counts the steps of all threads. Only the first thread reports them: callbacks are not made for several threads."""

    def __init__(self, progress: Progress, most: Sequence[int]) -> None:
        """most: the most steps that each group can take."""
        self._progress, self._total, self._done = progress, sum(most), [0] * len(most)
        progress("translate", 0, self._total)

    def report(self, group: int, is_reported: bool, check: Callable[[], None], step: int) -> None:
        """Count a step; raises what `check` raises."""
        check()
        self._done[group] = step
        if is_reported:
            self._progress("translate", sum(self._done), self._total)

    def end(self) -> None:
        """Report that all is done, in case another thread was the last."""
        self._progress("translate", self._total, self._total)


_CONTRACT: type[Translator] = UnitTranslator
"""Checked by mypy: the class keeps the protocol."""

__all__ = ["Translation", "UnitTranslator"]
