"""Commands of the pages, taken out of their code blocks and run; those that take hours or GPUs in a form that a table names."""

import io
import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import get_args_parser

from netflips.cli import main as netflips
from netflips.published.store import models_folder, note_down

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"python", "netflips", "make", "mkdir", "tar", "tensorboard", "accelerate", "torchrun", "pip", "source", "git"}
PROGRAMS |= {".venv/bin/python", ".venv/bin/pip", ".venv/bin/netflips", "python3.11"}
_BLOCK = re.compile(r"^( *)```[a-z]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


class Form(NamedTuple):
    """How a command whose text matches `pattern` is run instead of as it stands, and why.

    more: words that are put behind it; None = it is not run, `check` is called with its words instead. fewer: a pattern of what
    is taken out first. code: the exit code.
    """

    pattern: str
    reason: str
    more: str | None = None
    fewer: str = ""
    check: Callable[[list[str]], None] | None = None
    code: int = 0


def commands_of(page: Path) -> list[str]:
    """The lines of a page's blocks of commands, continued lines as one."""
    lines: list[str] = []
    for indent, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        found = [line.removeprefix(indent) for line in block.replace("\\\n", " ").splitlines() if line.strip()]
        known = [line.split()[0] in PROGRAMS for line in found]
        assert all(known) or not any(known), f"{page.name}: a command of {PROGRAMS} in each line, or in none: {found}"
        lines += found if all(known) else []
    return lines


def parameters(*pages: Path) -> list[object]:
    """All commands of some pages, as parameters of a test; one that stands on several pages, or in both languages, is run once."""
    found: dict[tuple[str, ...], object] = {}
    for page in pages:
        for number, line in enumerate(commands_of(page), 1):
            found.setdefault(tuple(shlex.split(line, comments=True)), pytest.param(line, id=f"{page.name}-{number}"))
    return list(found.values())


def run_in_form(line: str, forms: Sequence[Form], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command as it stands or, where one of the forms is for it, in the first one that is."""
    form = next((form for form in forms if re.search(form.pattern, line)), None)
    words = shlex.split(re.sub(form.fewer, "", line) if form and form.fewer else line, comments=True)
    if form is None or form.more is not None:
        more = "" if form is None else form.more or ""
        assert run([*words, *shlex.split(more)], monkeypatch) == (form.code if form else 0)
    elif form.check is not None:
        form.check(words)


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command; ours without a new process, which would load all libraries again."""
    program = words[0].removeprefix(".venv/bin/")
    if program == "netflips":
        return netflips(words[1:])
    if program == "python" and words[1] == "-m" and words[2] != "unit2unit.utut_finetune.finetune":
        return _run_module(words[2], words[3:], monkeypatch)
    if program == "python" and words[1] == "-m":  # fairseq's training takes its own process
        return subprocess.run([sys.executable, *words[1:]], check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode
    if program != "python":
        return subprocess.run(words, check=False).returncode
    monkeypatch.setattr(sys, "argv", words[1:])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    return int(ended.value.code or 0)


def _run_module(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    main = getattr(import_module(name), "main", None)
    if main is not None:
        return int(main(arguments))
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_module(name, run_name="__main__")
    return 0


def check_settings(words: list[str]) -> None:
    """A trainer's command, also behind a launcher, has a config and settings that fit it: they are composed and shown.

    What a page writes as `...` is filled in: required settings, and values.
    """
    place = words.index("-m")
    module, settings = words[place + 1], [word.replace("=...", "=x") for word in words[place + 2 :] if word != "..."]
    if words[0] == "accelerate":
        launch_command_parser().parse_args(words[2:])
    if words[0] == "torchrun":
        get_args_parser().parse_args(words[1:])
    if any("..." in word for word in words) and not module.startswith("unit2unit"):
        named = {word.partition("=")[0] for word in settings}
        units = "data.train_labels=[x]" if module.startswith("av2unit") else "data.units=x"
        settings += [one for one in ("run_dir=x", "data.train=x", units) if one.partition("=")[0] not in named]
    assert import_module(module).main([*settings, "--cfg", "job"]) == 0


def check_buildable(words: list[str]) -> None:
    """There is a project, and a package in the lock that builds it."""
    assert (ROOT / "pyproject.toml").is_file()


def check_venv(words: list[str]) -> None:
    """It is made where the other commands look for it."""
    assert words[-1] == ".venv"


def check_make(words: list[str]) -> None:
    """A target of the Makefile is there, and all that it needs can be made."""
    done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_files_of_pip(words: list[str]) -> None:
    """Locks that are named are there; without one, it is this project or a pinned package."""
    named = [words[place + 1] for place, word in enumerate(words) if word == "-r"]
    assert all((ROOT / name).is_file() for name in named)
    assert named or "-e" in words or any(re.search(r"netflips|[=>]=", word) for word in words)


def check_environment(words: list[str]) -> None:
    """The environment that is activated is the one that make makes."""
    assert words[1] == ".venv/bin/activate"
    assert "VENV := .venv\n" in (ROOT / "Makefile").read_text()


def check_pinned(words: list[str]) -> None:
    assert f"\n{words[0]}==" in (ROOT / "requirements" / "dev.lock").read_text()


def _runnable(name: str) -> str:
    """The module behind `python -m NAME`: of a package, its `__main__`."""
    return name if not hasattr(import_module(name), "__path__") else f"{name}.__main__"


def check_help(words: list[str]) -> None:
    program = words[0].removeprefix(".venv/bin/")
    arguments = [*_subcommands(words[3 if program == "python" else 1 :]), "--help"]
    module = "netflips.cli" if program == "netflips" else _runnable(words[2])
    main = import_module(module).main
    with patch.object(sys, "argv", [module, *arguments]), redirect_stdout(io.StringIO()) as heard, suppress(SystemExit):
        main()
    shown = heard.getvalue()
    assert "usage" in shown
    assert [word for word in words if word.startswith("--") and word not in shown] == []


def _subcommands(words: list[str]) -> list[str]:
    """The words before the first flag or file, which choose a command of a command."""
    return list(takewhile(re.compile(r"[a-z][a-z0-9-]*").fullmatch, words))


def write_stand_in(folder: Path, name: str, sound: bytes) -> None:
    """A program that stands for a synthesiser: it reads its text and writes a recording to what stands behind --out or -w.

    sound: of a wav file; each text gets it begun at another place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "said.wav").write_bytes(sound)
    code = f"""
import sys, wave, zlib
words = sys.argv[1:]
def behind(*names):
    return next(words[words.index(name) + 1] for name in names if name in words)
text = open(behind("--text-file", "-f"), "rb").read().strip()
assert text
with wave.open({str(folder / "said.wav")!r}) as source, wave.open(behind("--out", "-w"), "w") as out:
    begin = zlib.crc32(text) % source.getnframes()
    whole = source.readframes(source.getnframes())
    out.setparams(source.getparams())
    out.writeframes(whole[2 * begin:] + whole[:2 * begin])
"""
    write_program(folder / name, code)


def write_program(path: Path, code: str) -> None:
    """A program of this Python."""
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


COMMON = (
    Form(r"^source ", "a shell's own command", check=check_environment),
    Form(r"^git (clone|archive|-C space) ", "the repository is here"),
    Form(r"^make ", "it installs, or takes hours; what it would run is looked at", check=check_make),
    Form(r"-m build$", "another test builds and installs it", check=check_buildable),
    Form(r"pip install", "it installs what runs this test", check=check_files_of_pip),
    Form(r"-m venv", "it makes the environment that this test runs in", check=check_venv),
    Form(r"netflips models (get|add|check)", "what others publish is far away; its own tests fetch it", check=check_help),
    Form(r"netflips serve", "it serves until it is stopped", check=check_help),
    Form(r"^tensorboard ", "it serves until it is stopped", check=check_pinned),
    Form(r"^(accelerate launch|torchrun)", "it needs several GPUs", check=check_settings),
)
"""Forms that hold on every page."""


def keep_model(name: str, flag: str, path: Path) -> None:
    """Have a model in the user's folder, as if it had been fetched. path: a file, or a folder."""
    folder = models_folder() / "new"
    folder.mkdir(parents=True)
    for one in path.iterdir() if path.is_dir() else [path]:
        shutil.copy(one, folder)
    note_down(name, folder, {"flag": flag, "main": "" if path.is_dir() else path.name})
