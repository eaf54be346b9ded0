"""Train the face renderer, and put it into a renderer checkpoint.

    python -m unit2av.train_unit2v data.train=train.jsonl data.units=units.jsonl losses.sync_checkpoint=... run_dir=runs/lips
    python -m unit2av.train_unit2v export --checkpoint runs/lips/checkpoints/best.pt --out-path renderer.safetensors

On several GPUs or machines: `accelerate launch -m unit2av.train_unit2v ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.units import require_same_vocabulary
from avtrain.checkpoints import read_run, require_name
from avtrain.entry import export_parser, run_export, train_of
from unit2av.face.model import WINDOW_FRAMES
from unit2av.face.training.config import Unit2vConfig, check_unit2v
from unit2av.face.training.corpus import read_clips
from unit2av.face.training.start import start_face_model, start_sync_expert
from unit2av.face.training.task import FACE, KIND, Unit2vTask
from unit2av.renderer import LipRenderer
from unit2av.stage import RENDERER, with_face, with_face_settings


def make_task(config: Unit2vConfig) -> Unit2vTask:
    """Read everything that a run needs and check it: clips, units, renderer, sync expert.

    Raises NetflipsError of the kind that fits, before anything is trained.
    """
    check_unit2v(config)
    # A window, and another one for the reference pictures.
    clips = read_clips(config.data, 2 * WINDOW_FRAMES, config.loop.seed)
    config = replace(config, model=replace(config.model, num_units=clips.table_size(config.model.num_units)))
    face = start_face_model(config.model, config.init, clips, config.loop.seed)
    expert = start_sync_expert(config.losses, clips, config.pictures)
    config = replace(config, pictures=config.pictures or (expert.config.frames if expert else 1))
    return Unit2vTask(config, clips, face, expert)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train the face renderer; `export` puts it into a renderer checkpoint."
    others = {"export": _export}
    return train_of(Unit2vConfig, make_task, "unit2av/unit2v", "train_unit2v", purpose, argv, others)


def export_face(
    checkpoint: str | Path, out_path: str | Path, into: str | Path | None = None, allow_other_vocabulary: bool = False
) -> Path:
    """Write a renderer checkpoint that has a run's face renderer, and return its path.

    into: a renderer whose voices are kept; its face is replaced. Raises CheckpointError for files of another kind,
    VocabularyError when the renderer's units are of another quantizer.
    """
    out_path = require_name(out_path)
    state = read_run(checkpoint, KIND, "unit2av.train_unit2v")
    vocabulary = str(state["about"]["vocabulary"])
    base = read_checkpoint(into, RENDERER) if into is not None else None
    config = dict(base.config) if base is not None else {"vocabulary": vocabulary}
    if not allow_other_vocabulary:
        require_same_vocabulary(vocabulary, str(config.get("vocabulary", "")), f"the renderer {into}")
    config = with_face_settings(config, {"vocabulary": vocabulary, "trained_steps": int(state["position"]["step"])})
    tensors = {name: tensor.contiguous() for name, tensor in state["modules"][FACE].items()}
    path = write_checkpoint(out_path, RENDERER, config, with_face({} if base is None else base.tensors, tensors))
    LipRenderer.from_checkpoint(path)  # proof that it can be read and fits
    return path


def _export(argv: Sequence[str]) -> int:
    into = "a renderer checkpoint whose voices are kept"
    return run_export(
        export_parser("export_unit2v", "Put a trained face renderer into a renderer checkpoint.", into=into), export_face, argv
    )


if __name__ == "__main__":
    sys.exit(main())
