"""Training of Wav2Lip's sync expert: do these lips and this sound belong together?"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.notes import several
from avtrain.config import Metrics
from avtrain.task import Engine, Task, Values
from unit2av.face.training.items import stack
from unit2av.face.training.sync import ChanceWatch, expert_input
from unit2av.lipsync.wav2lip.training.config import ExpertConfig
from unit2av.lipsync.wav2lip.training.corpus import SoundClips
from unit2av.lipsync.wav2lip.training.critics import SyncNetColor, cosines
from unit2av.lipsync.wav2lip.training.items import ExpertWindows

KIND = "lip sync expert by sound"
EXPERT = "expert"
_EVEN = 0.5


class ExpertTask(Task):
    """The sync expert by itself. cache: folder of face crops and mels."""

    kind = KIND
    trainer = "unit2av.train_lipsync"
    figures = ("loss", "accuracy")

    def __init__(self, config: ExpertConfig, clips: SoundClips, cache: str, expert: SyncNetColor) -> None:
        self._expert = expert
        self._watch = ChanceWatch("sound", several(len(clips.train), "clip"), str(config.batch.batch_size))
        train = ExpertWindows(clips.train, cache, config.loop.seed)
        valid = ExpertWindows(clips.valid, cache, config.loop.seed, config.data.valid_windows)
        super().__init__(config, {EXPERT: expert}, {EXPERT: config.optim}, train, valid)

    def collate(self, items: list[Any]) -> dict[str, Tensor]:
        return stack(items)

    def training_step(self, batch: dict[str, Tensor], engine: Engine) -> Values:
        """Make one update and return its figures. batch: of ExpertExample."""
        scores = cosines(*engine.module(EXPERT)(batch["sound"], expert_input(batch["mouths"])))
        loss = F.binary_cross_entropy(scores, batch["label"])
        engine.update(EXPERT, loss)
        self._watch.note(loss, engine.step)
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
