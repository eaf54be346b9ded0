"""What exports into a renderer checkpoint have in common."""

from pathlib import Path

from avcore.errors import UsageError
from avcore.usage import Parser

_SUFFIX = ".safetensors"


def export_parser(prog: str, what: str, into: str) -> Parser:
    """The options of an export. what: is put into a renderer; into: what `--into` is for."""
    parser = Parser(prog=prog, description=f"Put {what} into a renderer checkpoint.")
    parser.add_argument("--checkpoint", required=True, type=Path, help="checkpoints/best.pt or another one of the run")
    parser.add_argument("--out-path", required=True, type=Path, help="x.safetensors; x.json is written beside it")
    parser.add_argument("--into", type=Path, help=f"{into} (default: a new file)")
    parser.add_argument("--allow-other-vocabulary", action="store_true", help="even if the renderer knows other units")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")
    return parser


def require_new(out_path: str | Path, *inputs: str | Path | None) -> Path:
    """The output's path with its suffix. Raises UsageError for another suffix or when it is one of the inputs."""
    path = Path(out_path)
    if path.suffix != _SUFFIX:
        raise UsageError(f"the output's name must end in {_SUFFIX}", found=path.name)
    for one in inputs:
        if one is not None and path.exists() and Path(one).exists() and path.samefile(one):
            raise UsageError("input and output are the same file", found=path, hint="give another name")
    return path
