"""Say whether a stage of a recipe has to run: `python recipes/stage_key.py MARKS NUMBER MADE COMMAND...`, which run_stage asks.

A stage is done if it ran to its end with the same words, and with inputs and settings of the same content, and if what it made is
there. The answer has three lines: the file for its mark, why it runs ("" for the first time, `done` where it need not), and the
mark's content. The key is of the moment before the command, so inputs that change while it runs are seen by the next run.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

_OUTPUTS = ("-o", "--out", "--out-dir", "--json", "--rows", "--out-path", "--out-unit-path")
_RUN, _CONFIG, _CHECK = "run_dir=", "--config-name", "check_only=true"
_BY_CONTENT = 1 << 30
"""Bytes up to which content counts; larger files and folders go by names, sizes and times."""


def digest(path: Path) -> str:
    """Return a digest of a file, or of a folder with all below it but hidden files."""
    files = [path]
    if path.is_dir():
        below = (one for one in path.rglob("*") if not any(part.startswith(".") for part in one.relative_to(path).parts))
        files = sorted(one for one in below if one.is_file())
    states = [(file, file.stat()) for file in files]
    is_small = sum(state.st_size for _, state in states) <= _BY_CONTENT

    found = hashlib.sha256()
    for one, state in states:
        found.update(f"{one.relative_to(path)} {state.st_size}\n".encode())
        found.update(one.read_bytes() if is_small else f"{state.st_mtime_ns}".encode())
    return found.hexdigest()[:32]


def outputs_of(words: Sequence[str]) -> list[str]:
    """Return what a command writes, by its flags."""
    named = [value for flag, value in pairwise(words) if flag in _OUTPUTS]
    return named + [word.removeprefix(_RUN) for word in words if word.startswith(_RUN)]


def inputs_of(words: Sequence[str], outputs: Sequence[str]) -> Iterator[str]:
    """Yield what a command reads: each of its words, values and programs that is a path, and the folder of its yaml."""
    for before, word in pairwise(words):
        if before == _CONFIG:
            yield from [str(path.parent) for path in [Path("configs", f"{word}.yaml")] if path.is_file()]
            continue
        for one in dict.fromkeys([word, word.partition("=")[2], *word.split()]):
            if one and one not in outputs and _is_there(Path(one)):
                yield one


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name
        return False


def main(argv: Sequence[str]) -> int:
    """Print the answer."""
    marks, number, made, *words = argv
    outputs = [*outputs_of(words), *([made] if made else [])]
    inputs = {one: digest(Path(one)) for one in inputs_of(words, outputs)}
    key = {"words": words, "inputs": inputs}

    name = hashlib.sha256("\n".join(outputs).encode()).hexdigest()[:8]  # a second training beside the first has its own mark
    mark, why = Path(marks, f"{number}-{name}.json"), ""
    if mark.is_file():
        before = json.loads(mark.read_text(encoding="utf-8"))
        changed = [one for one, found in inputs.items() if before["inputs"].get(one, found) != found]
        missing = [output for output in outputs if not _is_there(Path(output)) and _CHECK not in words]
        why = "done" if before == key and not missing else "other words than before"
        why = f"{changed[0]} has changed" if changed else f"{missing[0]} is gone" if missing else why
    sys.stdout.write(f"{mark}\n{why}\n{json.dumps(key, ensure_ascii=False)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
