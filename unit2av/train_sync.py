"""Train the sync expert that the face renderer's training asks whether lips and units fit.

    python -m unit2av.train_sync data.train=train.jsonl data.units=units.jsonl data.hold_out=100 run_dir=runs/sync

Its checkpoints/best.pt is what `unit2av.train_unit2v` takes as losses.sync_checkpoint. On several GPUs or machines:
`accelerate launch -m unit2av.train_sync ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from avcore.train.entry import train_of
from unit2av.face.training.config import SyncTrainConfig
from unit2av.face.training.items import read_clips
from unit2av.face.training.sync import SyncTask


def make_task(config: SyncTrainConfig) -> SyncTask:
    """Read everything that a run needs and check it. Raises NetflipsError of the kind that fits, before anything is trained."""
    # So long that a window can be shifted wherever it lies.
    shortest = config.model.frames + 2 * config.min_shift
    clips = read_clips(config.data, shortest, config.loop.seed)

    config = replace(config, model=replace(config.model, num_units=clips.table_size(config.model.num_units)))
    clips.check_range(config.model.num_units)
    return SyncTask(config, clips)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return train_of(SyncTrainConfig, make_task, "unit2av/sync", "train_sync", "Train the sync expert for lip training.", argv)


if __name__ == "__main__":
    sys.exit(main())
