"""What exports into a renderer checkpoint have in common."""

from pathlib import Path

from avcore.errors import UsageError
from avcore.outputs import Input, Output
from avcore.usage import Parser, add_quiet_options

_SUFFIX = ".safetensors"


def export_parser(prog: str, what: str, into: str) -> Parser:
    """The options of an export. what: is put into a renderer; into: what `--into` is for."""
    parser = Parser(prog=prog, description=f"Put {what} into a renderer checkpoint.")
    parser.add_argument(
        "--checkpoint", required=True, type=Input("the run's checkpoint"), help="checkpoints/best.pt or another one of the run"
    )
    parser.add_argument("--out-path", required=True, type=Output("the output"), help="x.safetensors; x.json is written beside it")
    parser.add_argument("--into", type=Input("the renderer"), help=f"{into} (default: a new file)")
    parser.add_argument("--allow-other-vocabulary", action="store_true", help="even if the renderer knows other units")
    add_quiet_options(parser)
    return parser


def require_new(out_path: str | Path) -> Path:
    """The output's path. Raises UsageError for another suffix than ours."""
    path = Path(out_path)
    if path.suffix != _SUFFIX:
        raise UsageError(f"the output's name must end in {_SUFFIX}", found=path.name)
    return path
