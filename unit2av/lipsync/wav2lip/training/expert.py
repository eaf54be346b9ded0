"""Training of Wav2Lip's sync expert: do these lips and this sound belong together?"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avtrain.config import Metrics, plain
from avtrain.task import Engine, Optimized, Values
from unit2av.face.training.items import stack
from unit2av.face.training.sync import expert_input
from unit2av.lipsync.wav2lip.training.config import ExpertConfig
from unit2av.lipsync.wav2lip.training.corpus import SoundClips
from unit2av.lipsync.wav2lip.training.critics import SyncNetColor, cosines
from unit2av.lipsync.wav2lip.training.items import ExpertExample, ExpertWindows

KIND = "lip sync expert by sound"
EXPERT = "expert"
_EVEN = 0.5


class ExpertTask:
    """The sync expert by itself (avtrain.task.Task). cache: folder of face crops and mels."""

    def __init__(self, config: ExpertConfig, clips: SoundClips, cache: str, expert: SyncNetColor) -> None:
        self._config, self._expert = config, expert
        self._train = ExpertWindows(clips.train, cache, config.loop.seed)
        self._valid = ExpertWindows(clips.valid, cache, config.loop.seed, config.data.valid_windows)

    def modules(self) -> dict[str, nn.Module]:
        return {EXPERT: self._expert}

    def optimizers(self) -> dict[str, Optimized]:
        return {EXPERT: Optimized((EXPERT,), self._config.optim)}

    def train_items(self) -> ExpertWindows:
        return self._train

    def valid_items(self) -> ExpertWindows:
        return self._valid

    def collate(self, items: Sequence[ExpertExample]) -> dict[str, Tensor]:
        return stack(items)

    def describe(self) -> dict[str, Any]:
        return {"kind": KIND, "config": plain(self._config)}

    def training_step(self, batch: dict[str, Tensor], engine: Engine) -> Values:
        """Make one update and return its figures. batch: of ExpertExample."""
        scores = cosines(*engine.module(EXPERT)(batch["sound"], expert_input(batch["mouths"])))
        loss = F.binary_cross_entropy(scores, batch["label"])
        engine.update(EXPERT, loss)
        return {"loss": loss, "accuracy": _accuracy(scores.detach(), batch["label"])}

    def validate(self, batches: Iterator[dict[str, Tensor]], engine: Engine) -> Metrics:
        """Loss; accuracy: share of windows judged rightly."""
        own = [
            torch.stack((cosines(*self._expert(batch["sound"], expert_input(batch["mouths"]))).float(), batch["label"])).cpu()
            for batch in batches
        ]
        parts = [part for share in engine.of_all(own) for part in share]
        if not parts:
            return {"loss": float("inf")}
        scores, labels = torch.cat(parts, dim=1)
        return {"loss": float(F.binary_cross_entropy(scores, labels)), "accuracy": float(_accuracy(scores, labels))}


def _accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    return ((scores > _EVEN) == (labels > _EVEN)).float().mean()
