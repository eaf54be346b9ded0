"""Train Wav2Lip, whose lips move to sound: its sync expert, then its generator; and write them as published files.

    python -m unit2av.train_lipsync expert data.train=train.jsonl data.hold_out=100 run_dir=runs/expert
    python -m unit2av.train_lipsync export --checkpoint runs/expert/checkpoints/best.pt --out-path lipsync_expert.pth
    python -m unit2av.train_lipsync data.train=train.jsonl losses.sync_checkpoint=lipsync_expert.pth run_dir=runs/lipsync
    python -m unit2av.train_lipsync export --checkpoint runs/lipsync/checkpoints/last.pt --out-path wav2lip.pth

`--config-name unit2av/lipsync_hq` trains a discriminator beside the generator. On several GPUs or machines:
`accelerate launch -m unit2av.train_lipsync ...`.
"""

import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch

from avcore.checkpoints.checkpoint import read_state_dict
from avcore.errors import CheckpointError
from avcore.files import Output, atomic_output
from avcore.train.checkpoints import RunResult, read_run, require_name
from avcore.train.entry import export_parser, run_export, train_of
from unit2av.face.model import DrawingSize
from unit2av.lip_task import QUALITY
from unit2av.lipsync.patches import load_wav2lip
from unit2av.lipsync.wav2lip.model import Wav2Lip, Wav2LipSize
from unit2av.lipsync.wav2lip.training.config import (
    ExpertConfig,
    GeneratorConfig,
    SoundInitConfig,
    SoundModelConfig,
    read_sound_clips,
)
from unit2av.lipsync.wav2lip.training.critics import QualityDiscriminator, SyncNetColor
from unit2av.lipsync.wav2lip.training.task import EXPERT, EXPERT_KIND, GENERATOR, KIND, GeneratorTask, SoundExpertTask

_CRITIC_WIDTHS = (32, 64, 128, 256, 512, 512, 512)
"""Of the published expert's faces and of the published discriminator."""
_TRAINER = "unit2av.train_lipsync"
_SUFFIXES = (".pth", ".pt")


def start_generator(model: SoundModelConfig, init: SoundInitConfig, seed: int) -> Wav2Lip:
    """Return the generator to train. Raises InputError or CheckpointError for another file."""
    torch.manual_seed(seed)
    if init.checkpoint:
        return deepcopy(load_wav2lip(init.checkpoint)).requires_grad_(True)  # a copy: the file's tensors may be mapped from it

    whole = Wav2LipSize()
    drawing: DrawingSize = replace(
        whole.drawing,
        code_width=_thin(model, (whole.drawing.code_width,))[0],
        encoder_widths=_thin(model, whole.drawing.encoder_widths),
        decoder_widths=_thin(model, whole.drawing.decoder_widths),
        output_width=_thin(model, (whole.drawing.output_width,))[0],
    )
    return Wav2Lip(Wav2LipSize(_thin(model, whole.sound_widths), drawing))


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


def _thin(model: SoundModelConfig, widths: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(model.min_width, width // model.width_divisor) for width in widths)


def make_task(config: GeneratorConfig) -> GeneratorTask:
    """Read everything that a run of the generator needs and check it: clips, networks, sync expert.

    Raises NetflipsError of the kind that fits, before anything is trained.
    """
    clips = read_sound_clips(config.data, config.loop.seed)
    generator = start_generator(config.model, config.init, config.loop.seed)
    quality = start_quality(config.model, config.init, config.loop.seed) if config.losses.quality else None
    expert = load_expert(config.losses.sync_checkpoint) if config.losses.sync_checkpoint else None
    return GeneratorTask(config, clips, generator, quality, expert)


def make_expert_task(config: ExpertConfig) -> SoundExpertTask:
    """Read everything that a run of the expert needs and check it. Raises NetflipsError, before anything is trained."""
    clips = read_sound_clips(config.data, config.loop.seed)
    return SoundExpertTask(config, clips, start_expert(config.model, config.init, config.loop.seed))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    purpose = "Train the generator of Wav2Lip; `expert` first trains its sync expert, `export` writes published files."
    others = {"expert": _train_expert, "export": _export}
    return train_of(GeneratorConfig, make_task, "unit2av/lipsync", "train_lipsync", purpose, argv, others)


def _train_expert(argv: Sequence[str]) -> int:
    purpose = "Train the sync expert of Wav2Lip."
    return train_of(ExpertConfig, make_expert_task, "unit2av/lipsync_expert", "train_lipsync expert", purpose, argv)


def export_lipsync(checkpoint: str | Path, out_path: str | Path, quality_path: str | Path | None = None) -> Path:
    """Write a run's generator or its sync expert in the published layout, and return its path.

    quality_path: where the discriminator goes that was trained beside the generator, to go on from. Raises CheckpointError for
    files of another kind and where there is no discriminator.
    """
    out_path = require_name(out_path, _SUFFIXES)
    if quality_path is not None:
        require_name(quality_path, _SUFFIXES)

    run = read_run(checkpoint, _TRAINER, KIND, EXPERT_KIND)
    if quality_path is not None and QUALITY not in run.modules:
        raise CheckpointError("no discriminator was trained in this run", path=run.path, hint="leave --quality-path out")

    if EXPERT in run.modules:
        _write(out_path, run, EXPERT)
        load_expert(str(out_path))  # proof that it can be read and fits
    else:
        _write(out_path, run, GENERATOR)
        load_wav2lip(out_path)

    if quality_path is not None:
        _write(Path(quality_path), run, QUALITY)
        read_state_dict(quality_path, "quality discriminator", "binary_pred.0.weight")
    return out_path


def _write(path: Path, run: RunResult, module: str) -> None:
    """Write the dict of the published programs, without the state of the optimizer: they continue without it."""
    tensors = {name: tensor.contiguous() for name, tensor in run.modules[module].items()}
    stored = {"state_dict": tensors, "optimizer": None, "global_step": run.step, "global_epoch": run.epoch}
    with atomic_output(path) as temporary:
        torch.save(stored, temporary)


def _export(argv: Sequence[str]) -> int:
    out = "wav2lip.pth; of the expert's run lipsync_expert.pth"
    parser = export_parser("export_lipsync", "Write what was trained as the published programs read it.", out)
    parser.add_argument(
        "--quality-path", type=Output("the discriminator"), help="visual_quality_disc.pth, the discriminator of an hq run"
    )
    return run_export(parser, export_lipsync, argv)


if __name__ == "__main__":
    sys.exit(main())
