"""Write what was trained as the files that Wav2Lip's own programs, and `--wav2lip-path`, read.

python -m unit2av.train_lipsync export --checkpoint runs/lipsync/checkpoints/best.pt --out-path wav2lip.pth
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from avcore.checkpoints.checkpoint import read_state_dict
from avcore.command import Parser
from avcore.errors import CheckpointError
from avcore.files import Output, atomic_output, require_file
from avtrain.checkpoints import read_state
from avtrain.config import State
from avtrain.export import export_parser, read_run, require_name, run_export
from unit2av.lip_task import QUALITY
from unit2av.lipsync.patches import load_wav2lip
from unit2av.lipsync.wav2lip.training.start import load_expert
from unit2av.lipsync.wav2lip.training.task import EXPERT, EXPERT_KIND, GENERATOR, KIND

_TRAINER = "unit2av.train_lipsync"
_SUFFIXES = (".pth", ".pt")


def export_lipsync(checkpoint: str | Path, out_path: str | Path, quality_path: str | Path | None = None) -> Path:
    """Write a run's generator or its sync expert in the published layout, and return its path.

    quality_path: where the discriminator goes that was trained beside the generator, to go on from. Raises CheckpointError for
    files of another kind and where there is no discriminator.
    """
    out_path = require_name(out_path, _SUFFIXES)
    if quality_path is not None:
        require_name(quality_path, _SUFFIXES)
    state = _read(Path(checkpoint))
    modules = state["modules"]
    if quality_path is not None and QUALITY not in modules:
        raise CheckpointError("no discriminator was trained in this run", path=Path(checkpoint), hint="leave --quality-path out")
    if EXPERT in modules:
        _write(out_path, state, EXPERT)
        load_expert(str(out_path))  # proof that it can be read and fits
    else:
        _write(out_path, state, GENERATOR)
        load_wav2lip(out_path)
    if quality_path is not None:
        _write(Path(quality_path), state, QUALITY)
        read_state_dict(quality_path, "quality discriminator", "binary_pred.0.weight")
    return out_path


def _read(path: Path) -> State:
    about = read_state(require_file(path, "the training checkpoint", hint=f"python -m {_TRAINER} makes one")).get("about")
    is_expert = isinstance(about, dict) and about.get("kind") == EXPERT_KIND
    return read_run(path, EXPERT_KIND if is_expert else KIND, _TRAINER)


def _write(path: Path, state: State, module: str) -> None:
    """The published programs' dict; without the optimizer's state, which they go on without."""
    tensors = {name: tensor.contiguous() for name, tensor in state["modules"][module].items()}
    position = state["position"]
    stored = {"state_dict": tensors, "optimizer": None, "global_step": position["step"], "global_epoch": position["epoch"]}
    with atomic_output(path) as temporary:
        torch.save(stored, temporary)


def build_parser() -> Parser:
    """Return the command's options."""
    out = "wav2lip.pth; of the expert's run lipsync_expert.pth"
    parser = export_parser("export_lipsync", "Write what was trained as the published programs read it.", out)
    parser.add_argument(
        "--quality-path", type=Output("the discriminator"), help="visual_quality_disc.pth, the discriminator of an hq run"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_export(build_parser(), export_lipsync, argv)
