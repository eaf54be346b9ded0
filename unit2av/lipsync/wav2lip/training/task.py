"""Training of Wav2Lip: its generator, and the expert that tells whether lips and sound belong together."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unit2av.lip_task import Batch, ChanceWatch, DrawingTask, ExpertTask, distances, expert_input, faces_of
from unit2av.lipsync.wav2lip.model import Wav2Lip
from unit2av.lipsync.wav2lip.training.config import ExpertConfig, GeneratorConfig
from unit2av.lipsync.wav2lip.training.corpus import SoundClips
from unit2av.lipsync.wav2lip.training.critics import WINDOW, QualityDiscriminator, SyncNetColor, cosines
from unit2av.lipsync.wav2lip.training.items import ExpertWindows, GeneratorWindows
from unit2av.lipsync.wav2lip.training.losses import SoundLosses
from unit2av.renderer import network_picture

KIND, EXPERT_KIND = "lip sync generator", "lip sync expert by sound"
GENERATOR, EXPERT = "generator", "expert"
_EVEN = 0.5


class GeneratorTask(DrawingTask):
    """The generator against its discriminator, if it has one. A batch is one of GeneratorExample."""

    kind = KIND
    trainer = "unit2av.train_lipsync"
    drawer = GENERATOR
    realness = staticmethod(F.binary_cross_entropy)
    per_side = 1.0  # added, not averaged, as published

    def __init__(
        self,
        config: GeneratorConfig,
        clips: SoundClips,
        generator: Wav2Lip,
        quality: QualityDiscriminator | None,
        expert: SyncNetColor | None,
    ) -> None:
        cache, seed = config.data.folder(config.run_dir), config.loop.seed
        train = GeneratorWindows(clips.train, cache, seed)
        valid = GeneratorWindows(clips.valid, cache, seed, config.data.valid_windows)
        super().__init__(config, generator, quality, SoundLosses(config.losses, expert), train, valid)

    @property
    def figures(self) -> tuple[str, ...]:
        sync = () if self._losses.expert is None else ("sync_score", "sync_loss")
        return ("loss", "l1", "other_sound_l1", *sync)

    def draw(self, network: Any, batch: Batch) -> Tensor:
        drawn: Tensor = network(batch["sounds"].flatten(0, 1), faces_of(batch))
        return drawn

    def measure(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw and measure windows.

        l1: of the whole crop. other_sound_l1: drawn with another window's sound; as low as l1 means that the sound is ignored.
        With an expert sync_loss and sync_score (its probability). loss: l1 and sync_loss as they are weighed once both count, so
        that it means the same before and after.
        """
        truth, drawn = network_picture(batch["target"].flatten(0, 1)), self.draw(self._drawer, batch)
        found = {"l1": _of_windows(drawn, truth)}
        if len(batch["sounds"]) > 1:
            other = self.draw(self._drawer, {**batch, "sounds": batch["sounds"].roll(1, 0)})
            found["other_sound_l1"] = _of_windows(other, truth)
        loss, weights = found["l1"], self._config.losses
        if self._losses.expert is not None:
            found["sync_score"], found["sync_loss"] = self._losses.in_step(drawn, batch)
            loss = (1 - weights.quality - weights.sync) * loss + weights.sync * found["sync_loss"]
        return drawn, {"loss": loss, **found}


def _of_windows(drawn: Tensor, truth: Tensor) -> Tensor:
    return distances(drawn, truth).view(-1, WINDOW).mean(dim=1)


class SoundExpertTask(ExpertTask):
    """The sync expert by itself. A batch is one of ExpertExample."""

    kind = EXPERT_KIND
    trainer = "unit2av.train_lipsync"
    part = EXPERT
    figures = ("loss", "accuracy")

    def __init__(self, config: ExpertConfig, clips: SoundClips, expert: SyncNetColor) -> None:
        watch = ChanceWatch("sound", len(clips.train), config.batch.batch_size)
        cache, seed = config.data.folder(config.run_dir), config.loop.seed
        train, valid = ExpertWindows(clips.train, cache, seed), ExpertWindows(clips.valid, cache, seed, config.data.valid_windows)
        super().__init__(config, expert, watch, train, valid)

    def judge(self, expert: Any, batch: Batch) -> Tensor:
        """Probabilities, and labels."""
        scores = cosines(*expert(batch["sound"], expert_input(batch["mouths"])))
        return torch.stack((scores, batch["label"]), dim=1)

    def measure(self, judged: Tensor) -> dict[str, Tensor]:
        """accuracy: share of windows judged rightly."""
        scores, labels = judged.unbind(1)
        right = (scores > _EVEN) == (labels > _EVEN)
        return {"loss": F.binary_cross_entropy(scores, labels), "accuracy": right.float().mean()}
