"""From a training run to a checkpoint that reading loads.

python -m unit2text.train export --checkpoint runs/x/checkpoints/best.pt --out-path reader.safetensors
"""

from collections.abc import Sequence
from pathlib import Path

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.command import Parser
from avtrain.export import export_parser, read_run, require_name, run_export
from unit2text.stage import TEXT_READER
from unit2text.training.task import NETWORK, RUN_KIND

_PREFIX = "model."
_OUTPUT = "decoder.output_projection.weight"


def export_reader(checkpoint: str | Path, out_path: str | Path, eight_bits: bool = False) -> Path:
    """Write a run's reader in our own format and return its path.

    eight_bits: matrices are rounded to a byte a number. Raises CheckpointError for another file than a run's checkpoint,
    UsageError for another suffix than ours.
    """
    out_path = require_name(out_path)
    state = read_run(checkpoint, RUN_KIND, "unit2text.train")
    stored = {name.removeprefix(_PREFIX): tensor for name, tensor in state["modules"][NETWORK].items()}
    tensors = {name: tensor for name, tensor in stored.items() if name != _OUTPUT}
    config = {**state["about"]["reader"], "trained": {"steps": state["position"]["step"]}}
    return write_checkpoint(out_path, TEXT_READER, config, tensors, eight_bits)


def build_parser() -> Parser:
    """Return the command's options."""
    parser = export_parser("unit2text.train export", "Write a trained reader of units in the form that reading loads.")
    parser.add_argument("--eight-bits", action="store_true", help="store matrices in a byte a number: a quarter of the size")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_export(build_parser(), export_reader, argv)
