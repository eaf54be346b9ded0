"""fairseq's pairs with noise on them."""

from typing import Any

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, LanguagePairDataset

from avcore.units import Ids
from unit2unit.utut_finetune.noise import UnitNoise, join


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
        """Return {"id", "source": int64 [N], "target": int64 [M], "prev_output_tokens": int64 [M]}."""
        sample: dict[str, Any] = self.dataset[index]
        random = np.random.default_rng([self._seed, self._epoch, index])
        other = int(random.integers(len(self.dataset)))
        source, target = self._joined(sample["source"].numpy(), sample["target"].numpy(), other, random)
        noisy = self._noise.source(source, self.dataset.src[other].numpy(), self._num_units, random)
        fed = self._noise.decoder_input(target, self.dataset.tgt[other].numpy(), self._num_units, random)
        source = noisy if len(noisy) <= self._max_source else source
        tensors = {"source": source, "target": target, "prev_output_tokens": fed}
        return {**sample, **{name: torch.from_numpy(values) for name, values in tensors.items()}}

    def _joined(self, source: Ids, target: Ids, other: int, random: np.random.Generator) -> tuple[Ids, Ids]:
        """The pair, by chance with another behind it."""
        if not self._noise.joined_pairs or random.random() >= self._noise.joined_pairs:
            return source, target
        longer = join(source, self.dataset.src[other].numpy(), self._num_units)
        longer_target = join(target, self.dataset.tgt[other].numpy(), self._num_units)
        if len(longer) > self._max_source or len(longer_target) > self._max_target:
            return source, target
        return longer, longer_target

    def num_tokens_vec(self, indices: Ids) -> Ids:
        """The longer side of several samples without noise, int64 [samples]."""
        return self.dataset.num_tokens_vec(indices)  # type: ignore[no-any-return]

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Loaders are made anew for each epoch: their workers keep the dataset they began with."""
        return False

    def set_epoch(self, epoch: int) -> None:
        """Draw other mistakes."""
        super().set_epoch(epoch)
        self._epoch = epoch
