"""Train the face renderer, and put it into a renderer checkpoint.

    python -m unit2av.train_unit2v data.train=train.jsonl data.units=units.jsonl losses.sync_checkpoint=... run_dir=runs/lips
    python -m unit2av.train_unit2v export --checkpoint runs/lips/checkpoints/best.pt --out-path renderer.safetensors

On several GPUs or machines: `accelerate launch -m unit2av.train_unit2v ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.errors import UsageError
from avcore.train.checkpoints import read_run, require_name
from avcore.train.entry import export_parser, run_export, train_of
from avcore.units import require_same_vocabulary
from unit2av.face.model import WINDOW_FRAMES, FaceModel, FaceModelSize
from unit2av.face.training.config import FaceInitConfig, FaceModelConfig, Unit2vConfig
from unit2av.face.training.items import FaceClips, read_clips
from unit2av.face.training.sync import SyncExpert, load_sync_expert
from unit2av.face.training.task import FACE, KIND, Unit2vTask
from unit2av.lip_task import LipLossConfig
from unit2av.renderer import LipRenderer, load_face_model
from unit2av.stage import RENDERER, open_for_export, open_renderer_checkpoint, with_face, with_face_settings


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
        known = str(source.face_settings.get("vocabulary", ""))
        require_same_vocabulary(clips.vocabulary, known, f"the face renderer {init.checkpoint}")

    clips.check_range(size.num_units)
    face = FaceModel(size)
    # What the checkpoint lacks keeps its fresh weights: a new unit_context starts at zero and changes nothing.
    face.load_state_dict({**face.state_dict(), **tensors})

    # Channels last is the layout in which convolutions are quickest, with bfloat16 on a CPU by a factor of 1.5 to 2.
    return face.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's stubs lack it


def start_sync_expert(losses: LipLossConfig, clips: FaceClips, frames: int) -> SyncExpert | None:
    """Return the frozen sync expert that the config names, None without one.

    frames: how many of a window are drawn in a step. Raises VocabularyError or UnitRangeError for an expert on other
    units, UsageError for one that looks at more frames together than are drawn.
    """
    if not losses.sync_checkpoint:
        return None

    expert, vocabulary = load_sync_expert(losses.sync_checkpoint)
    require_same_vocabulary(clips.vocabulary, vocabulary, f"the sync expert {losses.sync_checkpoint}")
    clips.check_range(expert.config.num_units)

    if frames % expert.config.frames:
        raise UsageError(
            "the sync expert needs whole windows",
            expected=f"frames a multiple of {expert.config.frames}",
            found=frames,
            hint="raise frames, or train an expert with a smaller model.frames",
        )
    return expert


def make_task(config: Unit2vConfig) -> Unit2vTask:
    """Read everything that a run needs and check it: clips, units, renderer, sync expert.

    Raises NetflipsError of the kind that fits, before anything is trained.
    """
    # A window, and another one for the reference frames.
    clips = read_clips(config.data, 2 * WINDOW_FRAMES, config.loop.seed)
    config = replace(config, model=replace(config.model, num_units=clips.table_size(config.model.num_units)))

    face = start_face_model(config.model, config.init, clips, config.loop.seed)
    expert = start_sync_expert(config.losses, clips, config.frames)
    config = replace(config, frames=config.frames or (expert.config.frames if expert else 1))
    return Unit2vTask(config, clips, face, expert)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train the face renderer; `export` puts it into a renderer checkpoint."
    others = {"export": _export}
    return train_of(Unit2vConfig, make_task, "unit2av/unit2v", "train_unit2v", purpose, argv, others)


def export_face(checkpoint: str | Path, out_path: str | Path, into: str | Path | None = None) -> Path:
    """Write a renderer checkpoint that has a run's face renderer, and return its path.

    into: a renderer whose voices are kept; its face is replaced. Raises CheckpointError for files of another kind,
    VocabularyError when the renderer's units are of another quantizer.
    """
    out_path = require_name(out_path)
    run = read_run(checkpoint, "unit2av.train_unit2v", KIND)
    vocabulary = str(run.about["vocabulary"])
    config, others = open_for_export(into, vocabulary)
    config = with_face_settings(config, {"vocabulary": vocabulary, "trained_steps": run.step})

    tensors = {name: tensor.contiguous() for name, tensor in run.modules[FACE].items()}
    path = write_checkpoint(out_path, RENDERER, config, with_face(others, tensors))
    LipRenderer.from_checkpoint(path)  # proof that it can be read and fits
    return path


def _export(argv: Sequence[str]) -> int:
    into = "a renderer checkpoint whose voices are kept"
    return run_export(
        export_parser("export_unit2v", "Put a trained face renderer into a renderer checkpoint.", into=into), export_face, argv
    )


if __name__ == "__main__":
    sys.exit(main())
