"""The stage of the unit encoder. Its checkpoints are mAV-HuBERT as fairseq's trainer wrote it, or our own files.

The configuration of both holds task, model (fairseq's settings) and dictionaries (symbols of each head with four specials). Our own
files may also hold decoding, vocabulary, domain, agreement and known sentences. Every command imports this module; it imports
torch only where a file is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.stages import Checkpoint, CheckpointLayout, Near, Stage
from avcore.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

_UNIT_TASK = "av_hubert_unit_pretraining"
_NUM_HEADS = 2
_PUBLISHED = "mavhubert_large_noise.pt"


class EncoderLayout(CheckpointLayout):
    """mAV-HuBERT: a fairseq trainer's file, {cfg, model, task_state, ...}."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        from avcore.checkpoints.layouts import plain_config, trainer_tensors

        names = trainer_tensors(payload)
        if any(str(name).startswith("encoder.w2v_model.") for name in names):
            return Near("an AV-HuBERT model fine-tuned for recognition", f"it has no unit heads; take {_PUBLISHED}")

        is_encoder = self.recognizes(names.keys())
        if not is_encoder and not any(str(name).startswith("feature_extractor_video.") for name in names):
            return False
        task = plain_config(payload, path)["task"].get("_name")
        if is_encoder and task == _UNIT_TASK:
            return True

        return Near(f"an AV-HuBERT model without the two unit heads (task {task}, not {_UNIT_TASK})", f"take {_PUBLISHED}")

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], "dict[str, Tensor]"]:
        from avcore.checkpoints.layouts import plain_config, plain_tensors

        tensors = plain_tensors(payload["model"], "model", path)
        config = plain_config(payload, path)
        return {"task": config["task"], "model": config["model"], "dictionaries": _dictionaries(payload, path)}, tensors

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """Return the fingerprint of the units. Where it is not recorded, it is computed from the heads; rounded heads would give
        another one."""
        from av2unit.config import vocabulary_of

        return {"": vocabulary_of(checkpoint)}


def _dictionaries(payload: Mapping[str, Any], path: Path) -> list[list[str]]:
    from avcore.checkpoints.pickles import Dictionary, brief

    state = payload.get("task_state")
    found = state.get("dictionaries") if isinstance(state, Mapping) else None
    is_read = isinstance(found, (list, tuple)) and all(isinstance(item, Dictionary) and item.symbols for item in found)
    if not is_read or found is None or len(found) != _NUM_HEADS:
        raise CheckpointError(
            "the unit dictionaries cannot be read",
            path=path,
            expected=f"{_NUM_HEADS} fairseq dictionaries in task_state.dictionaries",
            found=brief(found),
        )

    return [list(item.symbols) for item in found]


UNIT_ENCODER = Stage(
    kind="unit encoder",
    file="unit_encoder.safetensors",
    recognizes=lambda names: "label_embs_concat" in names and "post_extract_proj.weight" in names,
    name="av2unit",
    flag="--av2unit-path",
    example="mavhubert_large_noise.pt",
    needed=("task", "model", "dictionaries"),
    place="needed",
    make_layout=EncoderLayout,
)
STAGE = UNIT_ENCODER
