"""The face renderer and the sync expert that lip training starts with, checked against its units."""

from dataclasses import replace

import torch

from avcore.errors import UsageError
from avcore.units import require_same_vocabulary
from unit2av.face.model import FaceModel, FaceModelSize
from unit2av.face.training.config import FaceInitConfig, FaceModelConfig
from unit2av.face.training.corpus import FaceClips
from unit2av.face.training.sync import SyncExpert, load_sync_expert
from unit2av.lip_task import LipLossConfig
from unit2av.renderer import load_face_model
from unit2av.stage import open_renderer_checkpoint

_TABLE = "unit_embed.weight"


def start_face_model(model: FaceModelConfig, init: FaceInitConfig, clips: FaceClips, seed: int) -> FaceModel:
    """Return the face renderer to train.

    Raises CheckpointError for a file without a face renderer, VocabularyError for one that was trained on other units
    than the clips', UnitRangeError for a unit that its table lacks.
    """
    torch.manual_seed(seed)
    widths = FaceModelSize.divided(model.width_divisor, model.num_units, model.min_width)
    size, tensors = replace(widths, unit_context=model.unit_context), {}
    if init.checkpoint:
        source = open_renderer_checkpoint(init.checkpoint)
        stored = load_face_model(source)
        size, tensors = replace(stored.size, unit_context=stored.size.unit_context or model.unit_context), stored.state_dict()
        if init.new_unit_table:
            size = replace(size, num_units=model.num_units)
        else:
            known = str(source.face_settings.get("vocabulary", ""))
            require_same_vocabulary(clips.vocabulary, known, f"the face renderer {init.checkpoint}")
    clips.check_range(size.num_units)
    face = FaceModel(size)
    if tensors:
        fresh = face.state_dict()
        kept = (fresh.keys() - tensors.keys()) | ({_TABLE} if init.new_unit_table else set())
        face.load_state_dict({**tensors, **{name: fresh[name] for name in kept}})
    # Channels last is the layout in which convolutions are quickest, with bfloat16 on a CPU by a factor of 1.5 to 2.
    return face.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's stubs lack it


def start_sync_expert(losses: LipLossConfig, clips: FaceClips, pictures: int) -> SyncExpert | None:
    """Return the frozen sync expert that the config names, None without one.

    pictures: how many of a window are drawn in a step. Raises VocabularyError or UnitRangeError for an expert on other
    units, UsageError for one that looks at more pictures together than are drawn.
    """
    if not losses.sync_checkpoint:
        return None
    expert, vocabulary = load_sync_expert(losses.sync_checkpoint)
    require_same_vocabulary(clips.vocabulary, vocabulary, f"the sync expert {losses.sync_checkpoint}")
    clips.check_range(expert.config.num_units)
    if pictures % expert.config.frames:
        raise UsageError(
            "the sync expert needs whole windows",
            expected=f"pictures a multiple of {expert.config.frames}",
            found=pictures,
            hint="raise pictures, or train an expert with a smaller model.frames",
        )
    return expert
