"""Items of a batch, as fairseq datasets: pairs of unit files, by language pair drawn with a temperature, and pairs with noise."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, FairseqDataset, LanguagePairDataset
from fairseq.data.language_pair_dataset import collate

from avcore.data.published.utut import Sample, UtutSide, load_units
from avcore.errors import NetflipsError
from avcore.units import PAD, Ids
from unit2unit.model import TranslatorVocabulary
from unit2unit.training.corpus import length_tag
from unit2unit.training.noise import SpanNoise, UnitNoise, join_tokens

LOG = logging.getLogger(__name__)

_NUM_ENDS = 2
"""`<s>` and `</s>`. The tag is not counted: a sample of the most units allowed then fills fairseq's 1024 positions."""


class UnitPairDataset(FairseqDataset):  # type: ignore[misc]
    """Samples `<s> units </s> [language]` on both sides; the source is noisy when `noise` is given, and begins with how long its
    translation is where `has_lengths` (see LENGTH_TAGS).

    Each epoch draws as many samples as there are, pair i with probability proportional to n_i ** alpha (alpha 1: every
    sample once). All that is random depends on (seed, epoch, sample) alone.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        vocabulary: TranslatorVocabulary,
        noise: SpanNoise | None,
        alpha: float,
        seed: int,
        has_lengths: bool = False,
    ) -> None:
        self._samples = samples
        self._vocabulary = vocabulary
        self._noise = noise
        self._alpha = alpha
        self._seed = seed
        self._has_lengths = has_lengths

        self._epoch = 1
        self._sizes = np.array([[side.num_units + _NUM_ENDS for side in (s.source, s.target)] for s in samples], dtype=np.int64)
        names, self._pair_of = np.unique([sample.pair for sample in samples], return_inverse=True)
        self._num_pairs = len(names)
        self._drawn = self._draw()

    def __len__(self) -> int:
        return len(self._drawn)

    def __getitem__(self, index: int) -> dict[str, Any] | None:
        """Return {"id", "source": int64 [N], "target": int64 [M]} of a drawn sample; None, with a warning, for a bad file."""
        sample = self._samples[self._drawn[index]]
        try:
            source, target = self._tokens(sample.source), self._tokens(sample.target)
        except NetflipsError as error:
            LOG.warning("skipped: %s", error)
            return None

        if self._has_lengths and sample.ratio is not None:
            source[0] = length_tag(sample.ratio)
        if self._noise is not None:
            source = self._noise.apply(source, np.random.default_rng([self._seed, self._epoch, index]))
        return {"id": index, "source": torch.from_numpy(source), "target": torch.from_numpy(target)}

    def collater(self, samples: list[dict[str, Any] | None]) -> dict[str, Any]:
        """Return a batch, padded on the right, longest source first; the decoder's input starts with the target's tag.

        {} when every sample was bad: fairseq passes over such a batch.
        """
        good = [sample for sample in samples if sample is not None]
        # eos_idx None moves each target's own last token, its tag, to the front.
        return collate(good, PAD, None, left_pad_source=False, left_pad_target=False)  # type: ignore[no-any-return]

    @property
    def sizes(self) -> Ids:
        """Tokens of source and target of each drawn sample, int64 [samples, 2]."""
        return self._sizes[self._drawn]

    def size(self, index: int) -> tuple[int, int]:
        """Tokens of source and target."""
        source, target = self._sizes[self._drawn[index]]
        return int(source), int(target)

    def num_tokens(self, index: int) -> int:
        """Return the longer side, which bounds a batch."""
        return max(self.size(index))

    def num_tokens_vec(self, indices: Ids) -> Ids:
        """Return the longer side of several samples, int64 [samples]."""
        return self.sizes[indices].max(axis=1)  # type: ignore[no-any-return]

    def ordered_indices(self) -> Ids:
        """Samples by length, in random order among equal ones (fairseq seeds numpy around this call)."""
        order = np.random.permutation(len(self))
        source, target = self.sizes[order].T
        # `lexsort` is stable, so samples of equal lengths stay in their random order.
        ordered: Ids = order[np.lexsort((target, source))]
        return ordered

    def filter_indices_by_size(self, indices: Ids, max_sizes: Any) -> tuple[Ids, list[int]]:
        """Leave out what is longer than the model's positions."""
        limits = (max_sizes, max_sizes) if isinstance(max_sizes, int | float) else max_sizes
        fits = (self.sizes[indices] <= np.asarray(limits)).all(axis=1)
        return indices[fits], indices[~fits].tolist()

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Whether nothing depends on the epoch. Otherwise loaders are made anew: their workers keep the dataset they began with."""
        return self._alpha == 1.0 and self._noise is None

    def set_epoch(self, epoch: int) -> None:
        """Draw the samples of an epoch."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._drawn = self._draw()

    def _draw(self) -> Ids:
        if self._alpha == 1.0:
            return np.arange(len(self._samples))
        random = np.random.default_rng([self._seed, self._epoch])
        counts = pair_counts(np.bincount(self._pair_of, minlength=self._num_pairs), self._alpha)
        drawn = [_take(np.flatnonzero(self._pair_of == pair), count, random) for pair, count in enumerate(counts)]
        return np.concatenate(drawn)

    def _tokens(self, side: UtutSide) -> Ids:
        return self._vocabulary.source_tokens(load_units(side.path, self._vocabulary.num_units), side.language)


def pair_counts(sizes: Ids, alpha: float) -> Ids:
    """Return how many samples of each language pair an epoch takes, int64 [pairs]: shares n ** alpha of as many as there are.

    Conneau and Lample 2019, "Cross-lingual language model pretraining", section 3.1. At least one of each pair.
    """
    shares = (sizes / sizes.sum()) ** alpha
    counts: Ids = np.maximum(1, np.round(shares / shares.sum() * sizes.sum())).astype(np.int64)
    return counts


def _take(members: Ids, count: int, random: np.random.Generator) -> Ids:
    """Take `count` of the members: whole rounds of all of them first, then some without repeats."""
    rounds, rest = divmod(int(count), len(members))
    return np.concatenate([*([members] * rounds), random.permutation(members)[:rest]])


class TaggedSources(BaseWrapperDataset):  # type: ignore[misc]
    """Sources that begin with how long their translations are. tags: int64 [n] (see LENGTH_TAGS)."""

    def __init__(self, sources: Any, tags: Ids) -> None:
        super().__init__(sources)
        self._tags = tags

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return int64 [N]."""
        tokens: torch.Tensor = self.dataset[index].clone()
        tokens[0] = int(self._tags[index])
        return tokens


class NoisyPairs(BaseWrapperDataset):  # type: ignore[misc]
    """Pairs whose source and decoder input have mistakes, some with another pair behind them; targets stay true.

    All that is random depends on (seed, epoch, sample) alone. Batches are made by the lengths without noise. A source that
    insertions would make longer than `max_source` tokens stays as it is, and so does a pair with another that would be longer
    than `max_source` or `max_target`.
    """

    def __init__(
        self, pairs: LanguagePairDataset, noise: UnitNoise, num_units: int, max_source: int, max_target: int, seed: int
    ) -> None:
        super().__init__(pairs)
        self._noise = noise
        self._num_units = num_units
        self._max_source, self._max_target = max_source, max_target
        self._seed = seed
        self._epoch = 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return {"id", "source": int64 [N], "target": int64 [M], "prev_output_tokens": int64 [M], "behind": the pair that is
        joined to it or None}."""
        sample: dict[str, Any] = self.dataset[index]
        random = np.random.default_rng([self._seed, self._epoch, index])
        other = int(random.integers(len(self.dataset)))
        own = sample["source"].numpy(), sample["target"].numpy()
        source, target = joined = self._joined(*own, other, random)

        noisy = self._noise.source(source, self.dataset.src[other].numpy(), self._num_units, random)
        fed = self._noise.decoder_input(target, self.dataset.tgt[other].numpy(), self._num_units, random)
        source = noisy if len(noisy) <= self._max_source else source
        tensors = {"source": source, "target": target, "prev_output_tokens": fed}
        behind = None if joined[0] is own[0] else other  # a pair that stays alone keeps its arrays
        return {**sample, **{name: torch.from_numpy(values) for name, values in tensors.items()}, "behind": behind}

    def _joined(self, source: Ids, target: Ids, other: int, random: np.random.Generator) -> tuple[Ids, Ids]:
        """Return the pair, by chance with another behind it."""
        if not self._noise.joined_pairs or random.random() >= self._noise.joined_pairs:
            return source, target
        behind = self.dataset.src[other].numpy()
        if behind[0] != source[0]:  # one shorter and one longer than its original make neither
            return source, target

        longer = join_tokens(source, behind, self._num_units)
        longer_target = join_tokens(target, self.dataset.tgt[other].numpy(), self._num_units)
        if len(longer) > self._max_source or len(longer_target) > self._max_target:
            return source, target
        return longer, longer_target

    def num_tokens_vec(self, indices: Ids) -> Ids:
        """Return the longer side of several samples without noise, int64 [samples]."""
        return self.dataset.num_tokens_vec(indices)  # type: ignore[no-any-return]

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Loaders are made anew for each epoch: their workers keep the dataset they began with."""
        return False

    def set_epoch(self, epoch: int) -> None:
        """Draw other mistakes."""
        super().set_epoch(epoch)
        self._epoch = epoch


class PartOfPairs(BaseWrapperDataset):  # type: ignore[misc]
    """A dataset of which a part is dealt out. chosen: indices, int64 [n]."""

    def __init__(self, dataset: Any, chosen: Ids) -> None:
        super().__init__(dataset)
        self._is_chosen = np.zeros(len(dataset), bool)
        self._is_chosen[chosen] = True

    def ordered_indices(self) -> Ids:
        """Return the chosen ones in the order of the dataset's own."""
        found = np.asarray(self.dataset.ordered_indices())
        return np.asarray(found[self._is_chosen[found]])
