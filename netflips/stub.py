"""Signatures of `netflips` for editors: `make stub` writes `__init__.pyi` from the options of the commands."""

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import netflips
from avcore.command import LOG
from avcore.files import write_text
from avcore.flags import Command, QuietOptions, out_flag
from netflips.keywords import StrPath

PLACE = Path(netflips.__file__).with_suffix(".pyi")
_HEAD = '''"""Written by `make stub`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from avcore.errors import NetflipsError as NetflipsError
from avcore.parts import Part
from avcore.units import Units as Units
from netflips.loaded import Loaded as Loaded
from netflips.loaded import load as load
from netflips.script.types import Script
from netflips.version import __version__ as __version__
from unit2av.lipsync.backend import LipSyncChoice

StrPath = str | os.PathLike[str]

'''
_PATHS = set(get_args(StrPath))


def stub() -> str:
    """Return the text of the stub."""
    functions = [
        name for name in netflips.__all__ if inspect.isfunction(one := getattr(netflips, name)) and one.__module__ == "netflips.api"
    ]
    listed = "".join(f'    "{name}",\n' for name in netflips.__all__)
    return f"{_HEAD}__all__ = [\n{listed}]\n\n" + "".join(map(_definition, functions))


def _definition(name: str) -> str:
    signature = inspect.signature(getattr(netflips, name))
    lines, has_star = list[str](), False
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not has_star:
            lines.append("*")
        has_star = has_star or one.kind is not one.POSITIONAL_OR_KEYWORD
        star = "*" if one.kind is one.VAR_POSITIONAL else ""
        default = "" if one.default is one.empty else f" = {one.default!r}".replace("'", '"')
        lines.append(f"{star}{one.name}: {_text(one.annotation)}{default}")
    inside = "".join(f"\n    {line}," for line in lines)
    return f"def {name}({inside}{chr(10) if lines else ''}) -> {_text(signature.return_annotation)}: ...\n"


def _text(kind: Any) -> str:
    """Return a type as code."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, str):
        return kind
    if origin in (Union, UnionType):
        paths = ["StrPath"] if set(arguments) >= _PATHS else []
        return " | ".join(paths + [_text(one) for one in arguments if not (paths and one in _PATHS)])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]".replace("'", '"')
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_text, arguments))}]"
    return "None" if kind is NoneType else str(kind.__name__)


@dataclass(frozen=True, kw_only=True)
class StubOptions(QuietOptions):
    """Write the signatures of the Python functions for editors."""

    out: Path = out_flag("the stub", default=PLACE)
    """where (default: beside netflips/__init__.py)"""


def _work(options: StubOptions) -> None:
    write_text(options.out, stub())
    LOG.info("%s", options.out)


_COMMAND = Command(StubOptions, "python -m netflips.stub", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
