"""The networks that Wav2Lip's training starts with: of any width, or published files to go on from."""

from copy import deepcopy
from dataclasses import replace

import torch

from avcore.checkpoints.checkpoint import read_state_dict
from unit2av.face.model import DrawingSize
from unit2av.lipsync.patches import load_wav2lip
from unit2av.lipsync.wav2lip.model import Wav2Lip, Wav2LipSize
from unit2av.lipsync.wav2lip.training.config import SoundInitConfig, SoundModelConfig
from unit2av.lipsync.wav2lip.training.critics import QualityDiscriminator, SyncNetColor

_CRITIC_WIDTHS = (32, 64, 128, 256, 512, 512, 512)
"""Of the published expert's faces and of the published discriminator."""


def start_generator(model: SoundModelConfig, init: SoundInitConfig, seed: int) -> Wav2Lip:
    """Return the generator to train. Raises InputError or CheckpointError for another file."""
    torch.manual_seed(seed)
    if init.checkpoint:
        return deepcopy(load_wav2lip(init.checkpoint)).requires_grad_(True)  # a copy: the file's tensors may be mapped from it
    return Wav2Lip(_divided(model))


def start_quality(model: SoundModelConfig, init: SoundInitConfig, seed: int) -> QualityDiscriminator:
    """Return the discriminator to train. Raises InputError or CheckpointError for another file."""
    torch.manual_seed(seed)
    if not init.quality_checkpoint:
        return QualityDiscriminator(_thin(model, _CRITIC_WIDTHS))
    what = "quality discriminator (visual_quality_disc.pth)"
    stored = read_state_dict(init.quality_checkpoint, what, "binary_pred.0.weight")
    return deepcopy(stored.into(QualityDiscriminator.sized_as)).requires_grad_(True)


def start_expert(model: SoundModelConfig, init: SoundInitConfig, seed: int) -> SyncNetColor:
    """Return the sync expert to train. Raises InputError or CheckpointError for another file."""
    torch.manual_seed(seed)
    if init.checkpoint:
        return deepcopy(load_expert(init.checkpoint)).requires_grad_(True)
    return SyncNetColor(_thin(model, _CRITIC_WIDTHS), _thin(model, Wav2LipSize().sound_widths))


def load_expert(path: str) -> SyncNetColor:
    """Read `lipsync_expert.pth`, frozen. Raises InputError or CheckpointError for another file."""
    stored = read_state_dict(path, "sync expert (lipsync_expert.pth)", "face_encoder.0.conv_block.0.weight")
    return stored.into(SyncNetColor.sized_as)


def _divided(model: SoundModelConfig) -> Wav2LipSize:
    whole = Wav2LipSize()
    drawing: DrawingSize = replace(
        whole.drawing,
        code_width=_thin(model, (whole.drawing.code_width,))[0],
        encoder_widths=_thin(model, whole.drawing.encoder_widths),
        decoder_widths=_thin(model, whole.drawing.decoder_widths),
        output_width=_thin(model, (whole.drawing.output_width,))[0],
    )
    return Wav2LipSize(_thin(model, whole.sound_widths), drawing)


def _thin(model: SoundModelConfig, widths: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(model.min_width, width // model.width_divisor) for width in widths)
