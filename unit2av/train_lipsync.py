"""Train Wav2Lip, whose lips move to sound: its sync expert, then its generator; and write them as published files.

    python -m unit2av.train_lipsync expert data.train=train.jsonl data.hold_out=100 run_dir=runs/expert
    python -m unit2av.train_lipsync export --checkpoint runs/expert/checkpoints/best.pt --out-path lipsync_expert.pth
    python -m unit2av.train_lipsync data.train=train.jsonl losses.sync_checkpoint=lipsync_expert.pth run_dir=runs/lipsync
    python -m unit2av.train_lipsync export --checkpoint runs/lipsync/checkpoints/last.pt --out-path wav2lip.pth

`--config unit2av/lipsync_hq` trains a discriminator beside the generator. On several GPUs or machines:
`accelerate launch -m unit2av.train_lipsync ...`.
"""

import sys
from collections.abc import Sequence

from avtrain.entry import train_of
from unit2av.lipsync.wav2lip.training import export as export_lipsync
from unit2av.lipsync.wav2lip.training.config import ExpertConfig, GeneratorConfig, check_expert, check_generator
from unit2av.lipsync.wav2lip.training.corpus import read_sound_clips
from unit2av.lipsync.wav2lip.training.start import load_expert, start_expert, start_generator, start_quality
from unit2av.lipsync.wav2lip.training.task import GeneratorTask, SoundExpertTask


def make_task(config: GeneratorConfig) -> GeneratorTask:
    """Read everything that a run of the generator needs and check it: clips, networks, sync expert.

    Raises NetflipsError of the kind that fits, before anything is trained.
    """
    check_generator(config)
    clips = read_sound_clips(config.data, config.loop.seed)
    generator = start_generator(config.model, config.init, config.loop.seed)
    quality = start_quality(config.model, config.init, config.loop.seed) if config.losses.quality else None
    expert = load_expert(config.losses.sync_checkpoint) if config.losses.sync_checkpoint else None
    return GeneratorTask(config, clips, generator, quality, expert)


def make_expert_task(config: ExpertConfig) -> SoundExpertTask:
    """Read everything that a run of the expert needs and check it. Raises NetflipsError, before anything is trained."""
    check_expert(config)
    clips = read_sound_clips(config.data, config.loop.seed)
    return SoundExpertTask(config, clips, start_expert(config.model, config.init, config.loop.seed))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train the generator of Wav2Lip; `expert` first trains its sync expert, `export` writes published files."
    others = {"expert": _train_expert, "export": export_lipsync.main}
    return train_of(GeneratorConfig, make_task, "unit2av/lipsync", "train_lipsync", purpose, argv, others)


def _train_expert(argv: Sequence[str]) -> int:
    purpose = "Train the sync expert of Wav2Lip."
    return train_of(ExpertConfig, make_expert_task, "unit2av/lipsync_expert", "train_lipsync expert", purpose, argv)


if __name__ == "__main__":
    sys.exit(main())
