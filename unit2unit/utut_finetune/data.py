"""fairseq's pairs with noise on them."""

from typing import Any

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, LanguagePairDataset

from avcore.units import Ids
from unit2unit.utut_finetune.noise import UnitNoise


class NoisyPairs(BaseWrapperDataset):  # type: ignore[misc]
    """Pairs whose source and decoder input have mistakes; targets stay true.

    All that is random depends on (seed, epoch, sample) alone. Batches are made by the lengths without noise. A source that
    insertions would make longer than `max_source` tokens stays as it is.
    """

    def __init__(self, pairs: LanguagePairDataset, noise: UnitNoise, num_units: int, max_source: int, seed: int) -> None:
        super().__init__(pairs)
        self._noise = noise
        self._num_units = num_units
        self._max_source = max_source
        self._seed = seed
        self._epoch = 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return {"id", "source": int64 [N], "target": int64 [M], "prev_output_tokens": int64 [M]}."""
        sample: dict[str, Any] = self.dataset[index]
        source, target = sample["source"].numpy(), sample["target"].numpy()
        random = np.random.default_rng([self._seed, self._epoch, index])
        other = int(random.integers(len(self.dataset)))
        noisy = self._noise.source(source, self.dataset.src[other].numpy(), self._num_units, random)
        fed = self._noise.decoder_input(target, self.dataset.tgt[other].numpy(), self._num_units, random)
        source = noisy if len(noisy) <= self._max_source else source
        return {**sample, "source": torch.from_numpy(source), "prev_output_tokens": torch.from_numpy(fed)}

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
