"""The sync expert, which scores whether lips fit units, and its training.

One branch embeds the units of a window, the other the lower halves of its frames; their cosine is the score. After Chung and
Zisserman 2016, "Out of time" (SyncNet), and Prajwal et al. 2020, "A Lip Sync Expert Is All You Need", with units in place of sound.
A learned scale and bias turn the cosine into a probability (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training");
without them the binary cross-entropy cannot get below chance.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.timeline import frames_to_units
from avcore.train.checkpoints import read_run
from unit2av.face.model import FACE_SIZE
from unit2av.face.training.config import SyncConfig, SyncTrainConfig
from unit2av.face.training.items import FaceClips, SyncWindows
from unit2av.lip_task import Batch, ChanceWatch, ExpertTask, expert_input

KIND = "sync expert"
_GROUPS = 8
_FIRST_SCALE = 5.0
_HALVINGS = 2
"""Layers of the unit branch that halve the number of steps."""


class SyncExpert(nn.Module):
    """Scores pairs of mouths and units. It has group norms, so that a score does not depend on the rest of the batch."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        self.unit_embed = nn.Embedding(config.num_units, config.unit_width)
        self.unit_convs = nn.Sequential(
            _conv1d(config.unit_width, 1), *(_conv1d(config.unit_width, 2) for _ in range(_HALVINGS)), nn.Flatten()
        )

        steps = frames_to_units(config.frames)
        for _ in range(_HALVINGS):
            steps = _halved(steps)
        self.unit_out = nn.Linear(steps * config.unit_width, config.embedding)

        widths = pairwise((3 * config.frames, *config.face_widths))
        convs = [nn.Sequential(nn.Conv2d(before, after, 5, 2, 2), _norm(after), nn.ReLU()) for before, after in widths]
        self.face_convs = nn.Sequential(*convs, nn.Flatten())

        height, width = FACE_SIZE // 2, FACE_SIZE
        for _ in config.face_widths:
            height, width = _halved(height), _halved(width)
        self.face_out = nn.Linear(height * width * config.face_widths[-1], config.embedding)

        # Learnt as a logarithm, so that the scale stays above 0.
        self.scale = nn.Parameter(torch.tensor(_FIRST_SCALE).log())
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, units: Tensor, mouths: Tensor) -> Tensor:
        """Compare each row of mouths with one or more windows of units.

        units: int64 of shape [batch, choices, 2 F]; mouths: float [batch, 3 F, 48, 96] in 0..1, BGR, frame by frame. Returns
        logits, float [batch, choices]; their sigmoid is the probability that the two belong together.
        """
        batch, choices, steps = units.shape
        embedded = self.unit_embed(units.reshape(-1, steps)).transpose(1, 2)
        spoken = F.normalize(self.unit_out(self.unit_convs(embedded)).float(), dim=1).view(batch, choices, -1)
        seen = F.normalize(self.face_out(self.face_convs(mouths)).float(), dim=1)
        cosine = torch.einsum("bce,be->bc", spoken, seen)
        return cosine * self.scale.exp() + self.bias


def sync_loss(logits: Tensor, is_aligned: bool = True) -> Tensor:
    """Return the binary cross-entropy, of shape [], of float logits of any shape, which are all aligned or all misaligned."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_aligned)))


def drawn_windows(faces: Tensor, units: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cut drawn frames and their units into windows for an expert.

    faces: float [batch, P, 3, 96, 96], BGR, P a multiple of `frames`; units: int64 [batch, 2 P]. Returns units int64
    [batch * P / frames, 1, 2 * frames] and mouths float [batch * P / frames, 3 * frames, 48, 96], for `SyncExpert`.
    """
    mouths = faces[..., FACE_SIZE // 2 :, :].reshape(-1, 3 * frames, FACE_SIZE // 2, FACE_SIZE)
    return units.reshape(len(mouths), 1, frames_to_units(frames)), mouths


def load_sync_expert(path: str | Path) -> tuple[SyncExpert, str]:
    """Load an expert that `unit2av.train_sync` trained (a file of its checkpoints folder), frozen, on the CPU.

    Returns it and the fingerprint of its units' quantizer ("" = unknown). Raises CheckpointError for any other file.
    """
    run = read_run(path, "unit2av.train_sync", KIND)
    sizes = dict(run.about["config"]["model"])
    expert = SyncExpert(SyncConfig(**{**sizes, "face_widths": tuple(sizes["face_widths"])}))
    expert.load_state_dict(run.modules["sync"])
    return expert.eval().requires_grad_(False), str(run.about["vocabulary"])


def _halved(length: int) -> int:
    return (length + 1) // 2


def _conv1d(width: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv1d(width, width, 3, stride, 1), _norm(width), nn.ReLU())


def _norm(width: int) -> nn.Module:
    return nn.GroupNorm(_GROUPS if width % _GROUPS == 0 else 1, width)


# Its training


class SyncTask(ExpertTask):
    """Trains the sync expert; half of its pairs belong together, half do not."""

    kind = KIND
    trainer = "unit2av.train_sync"
    part = "sync"
    figures = ("loss", "accuracy", "ranking")

    def __init__(self, config: SyncTrainConfig, clips: FaceClips) -> None:
        torch.manual_seed(config.loop.seed)
        expert = SyncExpert(config.model)
        watch = ChanceWatch("units", len(clips.train), config.batch.batch_size)
        cache, shape = config.data.folder(config.run_dir), (config.loop.seed, config.model.frames, config.min_shift)
        train = SyncWindows(clips.train, cache, *shape, flip=config.data.flip)
        valid = SyncWindows(clips.valid, cache, *shape, max_items=config.data.max_valid_windows)
        super().__init__(config, expert, watch, train, valid, vocabulary=clips.vocabulary)

    def judge(self, expert: Any, batch: Batch) -> Tensor:
        """Return the logits of the windows' own units and of shifted ones; units: int64 [batch, 2, 2 F]."""
        logits: Tensor = expert(batch["units"], expert_input(batch["mouths"]))
        return logits

    def figures_of(self, judged: Tensor) -> dict[str, Tensor]:
        """Return loss, accuracy (share of pairs classified correctly) and ranking (share of windows whose own units score
        higher)."""
        own, shifted = judged.unbind(1)
        return {
            "loss": (sync_loss(own, is_aligned=True) + sync_loss(shifted, is_aligned=False)) / 2,
            "accuracy": ((own > 0).float().mean() + (shifted <= 0).float().mean()) / 2,
            "ranking": (own > shifted).float().mean(),
        }
