"""Training of Wav2Lip: windows of five faces and their sound, the generator, and the expert that scores whether both fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from avcore.arrays import Frames
from avcore.errors import InputError
from avcore.timeline import exact, frames_covering, frames_to_seconds
from unit2av.face.model import FACE_SIZE, network_images
from unit2av.lip_crops import ClipFaces
from unit2av.lip_task import (
    Batch,
    ChanceWatch,
    DrawingTask,
    ExpertTask,
    LipLossConfig,
    LipLosses,
    LipWindows,
    distances,
    expert_input,
    faces_of,
    windows_seen,
)
from unit2av.lipsync.wav2lip.model import CHUNK, MEL_RATE, Mel, Wav2Lip, chunks_at
from unit2av.lipsync.wav2lip.training.config import SHORTEST, ExpertConfig, GeneratorConfig, MelCache, SoundClip, SoundClips
from unit2av.lipsync.wav2lip.training.critics import WINDOW, QualityDiscriminator, SyncNetColor, cosines, windows_of

Example = TypeVar("Example", "GeneratorExample", "ExpertExample")
KIND, EXPERT_KIND = "lip sync generator", "lip sync expert by sound"
GENERATOR, EXPERT = "generator", "expert"
_EVEN = 0.5


class GeneratorExample(NamedTuple):
    """A window for the generator."""

    target: Frames
    """uint8 [5, 96, 96, 3] RGB"""
    reference: Frames
    """uint8 [5, 96, 96, 3] RGB"""
    sounds: Mel
    """chunk of each frame, which begins one frame before it, float32 [5, 1, 80, 16]"""
    sound: Mel
    """chunk of the window, for the expert, float32 [1, 80, 16]"""


class ExpertExample(NamedTuple):
    """A window for the expert."""

    mouths: Frames
    """lower halves, uint8 [5, 48, 96, 3] RGB"""
    sound: Mel
    """float32 [1, 80, 16]"""
    label: NDArray[np.float32]
    """float32 [], 1 = they belong together"""


class _SoundWindows(LipWindows[SoundClip, Example]):
    """One random window of each clip in an epoch, as published. num_items: number of windows, of the clips in turn; 0 = one of each
    clip."""

    lead: int
    """frames before a window that must have sound, too"""
    behind: int
    """frames after the first one whose own chunk must be complete"""

    def __init__(self, clips: Sequence[SoundClip], cache: str | Path, seed: int, num_items: int = 0) -> None:
        super().__init__(clips, cache, seed, np.resize(np.arange(len(clips)), num_items or len(clips)))
        self._mels = MelCache(cache)

    def _choose(self, clip: SoundClip, faces: ClipFaces, generator: np.random.Generator) -> tuple[Mel, int, int]:
        """Return the clip's mel, the first frame of a window with sound, and that of another window of the clip."""
        mel = self._mels.mel(clip)
        if len(faces.frames) < SHORTEST:
            raise InputError(
                "the clip is too short", path=clip.footage.video, expected=f"{SHORTEST} frames", found=len(faces.frames)
            )

        seen = windows_seen(faces, WINDOW)
        # Frames (25 a second, the first at 0 s) with a complete chunk.
        num_source_units = frames_covering(max(exact(0), exact(mel.shape[1] - CHUNK + 1) / MEL_RATE))
        first, last = self.lead + clip.offset, clip.offset + num_source_units - self.behind
        heard = seen[(seen >= first) & (seen <= last)]

        if not len(heard) or len(seen) < 2:
            raise InputError(
                f"no {WINDOW} frames on end have a face and sound, and others a face",
                path=clip.footage.video,
                expected="face boxes for them, and sound as long as the frames",
            )

        start = int(generator.choice(heard))
        return mel, start, int(generator.choice(seen[seen != start]))


class GeneratorWindows(_SoundWindows[GeneratorExample]):
    """Windows for the generator, with references from anywhere else in the clip."""

    lead, behind = 1, WINDOW - 1

    def example(self, clip: SoundClip, faces: ClipFaces, generator: np.random.Generator) -> GeneratorExample:
        """Return a window with its sound, and another one for reference."""
        mel, start, other = self._choose(clip, faces, generator)
        target, reference = (faces.frames[first : first + WINDOW] for first in (start, other))
        times = [frames_to_seconds(start - clip.offset + frame) for frame in range(WINDOW)]
        return GeneratorExample(target, reference, chunks_at(mel, times), _window_sound(mel, start - clip.offset))


class ExpertWindows(_SoundWindows[ExpertExample]):
    """Windows for the expert: half with their own sound, half with the sound of another window, near or far."""

    lead, behind = 0, 1

    def example(self, clip: SoundClip, faces: ClipFaces, generator: np.random.Generator) -> ExpertExample:
        """Return the faces of one of two windows, and the sound of the first."""
        mel, start, other = self._choose(clip, faces, generator)
        label = generator.integers(2)
        shown = start if label else other
        mouths = faces.frames[shown : shown + WINDOW, FACE_SIZE // 2 :]
        return ExpertExample(mouths, _window_sound(mel, start - clip.offset), np.array(label, np.float32))


def _window_sound(mel: Mel, frame: int) -> Mel:
    """Return the chunk that begins with a frame: float32 [1, 80, 16]."""
    # The expert's sound begins with its window, where the generator's begins a frame earlier: so both were trained.
    window: Mel = chunks_at(mel, [frames_to_seconds(frame)], is_published=True)[0]
    return window


class SoundLosses(LipLosses):
    """The losses of the generator; see `LipLosses`.

    The expert always stays in evaluation mode. The published program leaves its batch norms in training mode, so that its score
    depends on the rest of the batch, and its statistics drift; published sync losses, and the threshold 0.75, are from that
    program.
    """

    def __init__(self, config: LipLossConfig, expert: SyncNetColor | None) -> None:
        super().__init__(config, None if expert is None else expert.eval().requires_grad_(False))

    def train(self, mode: bool = True) -> "SoundLosses":
        """Set training mode for all but the expert."""
        super().train(mode)
        if self.expert is not None:
            self.expert.eval()
        return self

    def in_step(self, drawn: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """As `LipLosses.in_step`. The batch has sound, float [batch, 1, 80, 16]."""
        if self.expert is None:
            raise ValueError("there is no sync expert")
        windows = drawn.view(-1, WINDOW, *drawn.shape[1:]).transpose(1, 2)
        scores = cosines(*self.expert(batch["sound"], windows_of(windows)))
        return scores, F.binary_cross_entropy(scores, torch.ones_like(scores), reduction="none")


class GeneratorTask(DrawingTask):
    """Trains the generator, with a discriminator if it has one, on batches of `GeneratorExample`."""

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

    def measure_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw and measure windows.

        l1: of the whole crop. other_sound_l1: drawn with another window's sound; if it is as low as l1, the sound is ignored. With
        an expert: sync_loss and sync_score (its probability). loss: l1 and sync_loss with their final weights, so that values
        before and after the sync loss is switched on can be compared.
        """
        truth, drawn = network_images(batch["target"].flatten(0, 1)), self.draw(self._drawer, batch)
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
    """Trains the sync expert, on batches of `ExpertExample`."""

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
        """Return probabilities and labels, float [batch, 2]."""
        scores = cosines(*expert(batch["sound"], expert_input(batch["mouths"])))
        return torch.stack((scores, batch["label"]), dim=1)

    def figures_of(self, judged: Tensor) -> dict[str, Tensor]:
        """Return loss and accuracy, the share of windows classified correctly."""
        scores, labels = judged.unbind(1)
        right = (scores > _EVEN) == (labels > _EVEN)
        return {"loss": F.binary_cross_entropy(scores, labels), "accuracy": right.float().mean()}
