"""Train the face renderer, and put it into a renderer checkpoint.

    python -m unit2av.train_unit2v data.train=train.jsonl data.units=units.jsonl losses.sync_checkpoint=... run_dir=runs/lips
    python -m unit2av.train_unit2v export --checkpoint runs/lips/checkpoints/best.pt --out-path renderer.safetensors

On several GPUs or machines: `accelerate launch -m unit2av.train_unit2v ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from avtrain.entry import train_of
from unit2av.face.model import WINDOW_FRAMES
from unit2av.face.training import export as export_unit2v
from unit2av.face.training.config import Unit2vConfig, check_unit2v
from unit2av.face.training.corpus import read_clips
from unit2av.face.training.start import start_face_model, start_sync_expert
from unit2av.face.training.task import Unit2vTask


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
    others = {"export": export_unit2v.main}
    return train_of(Unit2vConfig, make_task, "unit2av/unit2v", "train_unit2v", purpose, argv, others)


if __name__ == "__main__":
    sys.exit(main())
