"""The unit encoder as it is trained: hidden input, the losses of both heads, the penalty on features."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from av2unit.model import AvHubert
from av2unit.training.config import LossConfig
from av2unit.training.items import ClipBatch
from avdata.labels import NO_LABEL

_WHITE = 255


FIGURES = ("loss", "masked_loss", "unmasked_loss", "feature_penalty", "masked_accuracy", "unmasked_accuracy")
"""What the network measures of a batch."""


class MaskedPrediction(nn.Module):
    """Computes the loss of a batch in `forward`, so that it can be wrapped for several devices."""

    def __init__(
        self, model: AvHubert, loss: LossConfig, frozen: tuple[str, ...] = (), class_weights: Tensor | None = None
    ) -> None:
        """frozen: names of parts that do not learn. class_weights: float32 [classes], None = all alike."""
        super().__init__()
        self.model, self._loss, self._frozen = model, loss, frozen
        self.register_buffer("class_weights", class_weights, persistent=False)
        for name in frozen:
            model.get_submodule(name).requires_grad_(False)

    def train(self, mode: bool = True) -> "MaskedPrediction":
        """Set training mode; frozen parts stay in evaluation mode, so that their norms do not move either."""
        super().train(mode)
        for name in self._frozen:
            self.model.get_submodule(name).eval()
        return self

    def forward(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Return the loss, its parts (means over steps, heads added up), and accuracies of masked and unmasked steps.

        batch: steps [batch, time]. All that is returned is of shape []; what is measured over no step at all is 0.
        """
        is_real = unpadded_steps(batch)
        fused = self.model.fuse(*self.front_ends(batch))
        penalty = (fused.float().square().mean(-1) * is_real).sum() / is_real.sum()
        logits = self.logits(fused, batch)
        targets = batch.targets.unbind(-1)
        loss_of_step = torch.stack([self._cross_entropy(*head) for head in zip(logits, targets, strict=True)]).sum(0)
        is_right = torch.stack([head.argmax(-1) == wanted for head, wanted in zip(logits, targets, strict=True)], -1)
        masked, unmasked = is_real & batch.mask, is_real & ~batch.mask
        return {
            "loss": self._weighted(loss_of_step, masked, unmasked) + self._loss.feature_penalty * penalty,
            "masked_loss": _mean(loss_of_step, masked),
            "unmasked_loss": _mean(loss_of_step, unmasked),
            "feature_penalty": penalty.detach(),
            "masked_accuracy": _mean(is_right.float().mean(-1), masked),
            "unmasked_accuracy": _mean(is_right.float().mean(-1), unmasked),
        }

    def _weighted(self, loss_of_step: Tensor, masked: Tensor, unmasked: Tensor) -> Tensor:
        """Return the weighted sum over the number of steps; parts of weight 0 do not count, both heads count once, as published."""
        parts = [(masked, self._loss.masked_weight), (unmasked, self._loss.unmasked_weight)]
        total = torch.stack([weight * (loss_of_step * where).sum() for where, weight in parts]).sum()
        return total / torch.stack([where.sum() for where, weight in parts if weight > 0]).sum().clamp_min(1)

    def front_ends(self, batch: ClipBatch) -> tuple[Tensor, Tensor | None]:
        """Return the features of both modalities, [batch, time, dim], zero where a clip lacks one; None when none has lips."""
        audio = torch.where(batch.audio_mask[..., None], self.model.mask_emb.to(batch.audio.dtype), batch.audio)
        audio_features, _ = self.model.front_ends(audio, None, batch.lengths)
        audio_features = cast(Tensor, audio_features) * batch.has_audio[:, None, None]
        video_features = self._video_features(batch)
        return self._scaled(audio_features), None if video_features is None else self._scaled(video_features)

    def _video_features(self, batch: ClipBatch) -> Tensor | None:
        """Return the features of lips, [batch, time, dim]; only pictures that there are become numbers."""
        seen = [number for number, length in enumerate(batch.video_lengths) if length]
        if not seen:
            return None
        clips = [self._normalised(batch.video[number, : batch.video_lengths[number]]) for number in seen]
        known = self.model.feature_extractor_video.encode(clips, batch.video.shape[1])
        everyone = known.new_zeros(len(batch.lengths), *known.shape[1:])
        return everyone.index_copy(0, torch.tensor(seen, device=known.device), known)

    def _normalised(self, pictures: Tensor) -> Tensor:
        """Convert uint8 -> float32 of the same shape, in place: a new tensor of this size for each operation takes longer."""
        config = self.model.config
        return pictures.float().div_(_WHITE).sub_(config.image_mean).div_(config.image_std)

    def logits(self, fused: Tensor, batch: ClipBatch) -> list[Tensor]:
        """Return the logits of each head, float32 [batch, time, classes]; fused: [batch, time, 2 * dim]."""
        is_padded = min(batch.lengths) < fused.shape[1]
        hidden = self.model.encoder(self.model.project(fused), unpadded_steps(batch) if is_padded else None)
        with torch.autocast(hidden.device.type, enabled=False):  # cosines over a small temperature: small differences decide
            return self.model.logits(hidden.float())

    def _scaled(self, features: Tensor) -> Tensor:
        """Scale the gradient of features by `feature_grad_mult`."""
        scale = self._loss.feature_grad_mult
        if scale == 0:
            return features.detach()
        if features.requires_grad and scale != 1:
            features.register_hook(lambda gradient: gradient * scale)  # type: ignore[no-untyped-call]
        return features

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute [batch, time, classes], int64 [batch, time] -> [batch, time], 0 where there is no label."""
        return functional.cross_entropy(
            logits.transpose(1, 2),
            targets,
            cast(Tensor | None, self.class_weights),
            reduction="none",
            ignore_index=NO_LABEL,
            label_smoothing=self._loss.label_smoothing,
        )


def unpadded_steps(batch: ClipBatch) -> Tensor:
    """Return which steps are no padding, bool [batch, time]."""
    lengths = torch.tensor(batch.lengths, device=batch.mask.device)
    return torch.arange(batch.mask.shape[1], device=batch.mask.device) < lengths[:, None]


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Return the mean of [batch, time] where bool [batch, time] is set, without a gradient."""
    return (values.detach() * where).sum() / where.sum().clamp_min(1)
