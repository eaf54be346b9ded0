"""Write the speller of a training run as a checkpoint.

python -m text2unit.train export --checkpoint runs/say/checkpoints/best.pt --out-path text2unit.safetensors [--eight-bits]
"""

from collections.abc import Sequence
from pathlib import Path

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.command import Parser
from avtrain.export import export_parser, read_run, require_name, run_export
from text2unit.speller import TextSpeller
from text2unit.stage import SPELLER
from text2unit.training.task import NETWORK, RUN_KIND

_ALIGNER = "aligner."
"""What only training needs."""


def export_speller(checkpoint: str | Path, out_path: str | Path, eight_bits: bool = False) -> Path:
    """Write the speller of `<run>/checkpoints/{last,best,step_N}.pt`, and return its path.

    eight_bits: its weights in a quarter of their room. Raises CheckpointError for another file, UsageError for another suffix.
    """
    out_path = require_name(out_path)
    state = read_run(checkpoint, RUN_KIND, "text2unit.train")
    about = state["about"]
    config = {
        "model": about["model"],
        "languages": about["languages"],
        "vocabulary": about["vocabulary"],
        **({} if about["silence"] is None else {"silence": about["silence"]}),
        "trained": {"steps": int(state["position"]["step"])},
    }
    tensors = {name: tensor for name, tensor in state["modules"][NETWORK].items() if not name.startswith(_ALIGNER)}
    path = write_checkpoint(out_path, SPELLER, config, tensors, eight_bits)
    TextSpeller.from_checkpoint(path)  # proof that it can be read and fits
    return path


def build_parser() -> Parser:
    """Return the command's options."""
    parser = export_parser("export_text2unit", "Write the speller of a training run as a checkpoint.")
    parser.add_argument("--eight-bits", action="store_true", help="store the weights in a quarter of their room")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_export(build_parser(), export_speller, argv)
