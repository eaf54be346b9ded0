"""A function in a process of its own: a library that crashes on a file of a stranger is one line here."""

import json
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from avcore.errors import InputError, NetflipsError, reason
from avcore.programs import run_program

_MOST_BYTES = 64 << 20
"""Of what it returns."""


def apart(work: Callable[..., Any], *given: Any, limit_s: float, what: str, most_memory: int = 0) -> Any:
    """Return what a function of a module returns, in another process; what goes there and back is JSON, paths beside.

    what: its name in messages. most_memory: bytes of addresses, 0 = as many as here. Raises InputError for what it raises, for a
    crash, and where it takes longer than `limit_s` seconds.
    """
    paths = [number for number, one in enumerate(given) if isinstance(one, Path)]
    values = json.dumps([*(str(one) if isinstance(one, Path) else one for one in given)])
    words = [sys.executable, "-m", __name__, work.__module__, work.__qualname__, values, json.dumps(paths), str(most_memory)]
    told = json.loads(run_program(words, limit_s, what, most_bytes=_MOST_BYTES).splitlines()[-1])
    if "failed" in told:
        raise InputError(**told["failed"])
    return told["result"]


def main(argv: list[str]) -> int:
    """Call the function; its result, or what it raised, is the last line."""
    module, name, values, paths, most_memory = argv
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, int(most_memory) or resource.RLIM_INFINITY)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    given = [Path(one) if number in json.loads(paths) else one for number, one in enumerate(json.loads(values))]
    try:
        told: dict[str, Any] = {"result": getattr(import_module(module), name)(*given)}
    except NetflipsError as error:
        names = ("what", "path", "expected", "found", "hint")
        told = {"failed": {one: None if (value := getattr(error, one)) is None else str(value) for one in names}}
    except BaseException as error:  # a panic of a library is no Exception
        told = {"failed": {"what": "it failed", "found": reason(error)}}
    sys.stdout.write(f"\n{json.dumps(told)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
