"""What exports into a renderer checkpoint have in common."""

from avcore.command import Parser
from avcore.files import Input
from avtrain.export import export_parser


def renderer_parser(prog: str, what: str, into: str) -> Parser:
    """Return the options of such an export. what: is put into a renderer; into: what `--into` is for."""
    parser = export_parser(prog, f"Put {what} into a renderer checkpoint.")
    parser.add_argument("--into", type=Input("the renderer"), help=f"{into} (default: a new file)")
    parser.add_argument("--allow-other-vocabulary", action="store_true", help="even if the renderer knows other units")
    return parser
