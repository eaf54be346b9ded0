"""Training of the sync expert on aligned and misaligned windows."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from avtrain.config import Metrics
from avtrain.entry import plain
from avtrain.task import Engine, Optimized, Values
from unit2av.face.training.config import SyncTrainConfig
from unit2av.face.training.corpus import Clips
from unit2av.face.training.items import SyncExample, SyncWindows, stack
from unit2av.face.training.sync import KIND, SyncExpert, sync_loss
from unit2av.renderer import network_picture

_SYNC = "sync"


class SyncTask:
    """The sync expert by itself (avtrain.task.Task). cache: folder of the face crops."""

    def __init__(self, config: SyncTrainConfig, clips: Clips, cache: str) -> None:
        self._config, self._vocabulary = config, clips.vocabulary
        torch.manual_seed(config.loop.seed)
        self._expert = SyncExpert(config.model)
        shape = (config.loop.seed, config.model.frames, config.min_shift)
        self._train = SyncWindows(clips.train, cache, *shape, flip=config.data.flip)
        self._valid = SyncWindows(clips.valid, cache, *shape, max_items=config.data.max_valid_windows)

    def modules(self) -> dict[str, nn.Module]:
        return {_SYNC: self._expert}

    def optimizers(self) -> dict[str, Optimized]:
        return {_SYNC: Optimized((_SYNC,), self._config.optim)}

    def train_items(self) -> SyncWindows:
        return self._train

    def valid_items(self) -> SyncWindows:
        return self._valid

    def collate(self, items: Sequence[SyncExample]) -> dict[str, Tensor]:
        return stack(items)

    def describe(self) -> dict[str, Any]:
        config = plain(self._config)
        return {"kind": KIND, "model": config["model"], "vocabulary": self._vocabulary, "config": config}

    def training_step(self, batch: dict[str, Tensor], engine: Engine) -> Values:
        """Update on one batch: half of its pairs belong together, half do not."""
        logits = engine.module(_SYNC)(batch["units"], expert_input(batch["mouths"]))
        loss = _pair_loss(logits)
        engine.update(_SYNC, loss)
        return {"loss": loss, "accuracy": _accuracy(logits.detach())}

    def validate(self, batches: Iterator[dict[str, Tensor]], engine: Engine) -> Metrics:
        """Loss; accuracy: share of pairs judged rightly; ranking: share of windows whose own units score above the shifted."""
        own = [self._expert(batch["units"], expert_input(batch["mouths"])).float().cpu() for batch in batches]
        parts = [part for share in engine.of_all(own) for part in share]
        if not parts:
            return {"loss": float("inf")}
        logits = torch.cat(parts)
        ranking = (logits[:, 0] > logits[:, 1]).float().mean()
        return {"loss": float(_pair_loss(logits)), "accuracy": float(_accuracy(logits)), "ranking": float(ranking)}


def expert_input(mouths: Tensor) -> Tensor:
    """uint8 [batch, F, 48, 96, 3] RGB to float32 [batch, 3 F, 48, 96] BGR in 0..1, as `SyncExpert` takes it."""
    batch, frames, height, width, channels = mouths.shape
    return network_picture(mouths.flatten(0, 1)).reshape(batch, frames * channels, height, width)


def _pair_loss(logits: Tensor) -> Tensor:
    """logits [batch, 2]: of the windows' own units and of shifted ones."""
    return (sync_loss(logits[:, 0], is_aligned=True) + sync_loss(logits[:, 1], is_aligned=False)) / 2


def _accuracy(logits: Tensor) -> Tensor:
    return ((logits[:, 0] > 0).float().mean() + (logits[:, 1] <= 0).float().mean()) / 2
