"""What a command loads, and how it ends: nothing that it does not need, and nothing left undone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netflips.cli import COMMANDS
from tests.netflips.conftest import config

ROOT = Path(__file__).parents[2]
HEAVY = {
    "accelerate", "ctranslate2", "fairseq", "faster_whisper", "hydra", "librosa", "matplotlib", "mediapipe", "numba", "omegaconf",
    "pandas", "ray", "scipy", "sklearn", "soundfile", "starlette", "sympy", "tensorboard", "tokenizers", "torch._dynamo",
    "torch._inductor", "torchvision", "transformers", "uvicorn",
}  # fmt: skip
"""What no dub of a short clip with the bundle needs."""


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def test_the_list_of_commands_loads_no_library_at_all() -> None:
    code = "import sys\nfrom netflips.cli import main\nmain(['--help'])\nsys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    done = _python(code)
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


def test_a_dub_of_a_short_clip_loads_what_it_needs_only(tmp_path: Path) -> None:
    code = f"""
import sys
from netflips.cli import main
code = main(sys.argv[1:])
print(code, *({HEAVY!r} & set(sys.modules)))
"""
    clip = ROOT / "docs" / "clip" / "clip.mp4"
    words = ["dub", str(clip), "--out", str(tmp_path / "out.mp4"), "--report", str(tmp_path / "a.html")]
    done = _python(code, *words, "--quiet", *config(check="off"))
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_libraries_are_left_out_of_garbage_searches_at_work() -> None:
    code = """
import gc
from avcore.command import Parser, run
from avcore.loading import loading
from tests.netflips.conftest import config
def work(_):
    with loading():
        print(gc.isenabled())
        import json.tool
    print(gc.isenabled(), gc.get_freeze_count() > 1000)
with loading():
    import textwrap
print(gc.isenabled(), gc.get_freeze_count())
run(Parser("thing"), work, [])
"""
    assert _python(code).stdout.splitlines() == ["True 0", "False", "True True"]


@pytest.mark.parametrize(("name", "found"), [("missing.mp4", "is not there"), ("README.md", "a text file")])
def test_a_file_that_cannot_be_dubbed_is_refused_before_loading(tmp_path: Path, name: str, found: str) -> None:
    code = "import sys\nfrom netflips.cli import main\ncode = main(sys.argv[1:])\nprint('torch' in sys.modules)\nsys.exit(code)"
    done = _python(code, "dub", str(ROOT / name), "--out-vid-path", str(tmp_path / "out.mp4"))
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr.count("\n") == 1
    assert f"{name}: " in done.stderr
    assert found in done.stderr


_INTERRUPTS = """
import os, sys, _signal
class At:
    def find_spec(self, name, *_):
        if name == os.environ["AT"] and "avcore" in sys.modules:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
sys.meta_path.insert(0, At())
"""


_INTERRUPTED, _TERMINATED = (signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "terminated\n")
_LIBRARIES = ("avcore.loading", "avcore.errors", "numpy", "torch", "torch.nn.functional", "cv2", "av.container")


@pytest.mark.parametrize(
    ("start", "at", "ended"),
    [
        *(("-m netflips.cli dub", at, _INTERRUPTED) for at in _LIBRARIES),
        ("-m netflips.cli dub", "torch", _TERMINATED),
        *(("inference_av2av.py --in-vid-path", at, _INTERRUPTED) for at in ("avcore.loading", "torch.nn.functional", "cv2")),
        ("inference_av2av.py --in-vid-path", "torch", _TERMINATED),
        ("-m av2unit.train", "torch", _INTERRUPTED),
    ],
)
def test_a_signal_while_importing_is_one_line(tmp_path: Path, start: str, at: str, ended: tuple[signal.Signals, int, str]) -> None:
    number, *how = ended
    (tmp_path / "sitecustomize.py").write_text(_INTERRUPTS)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "AT": at, "SIGNAL": str(int(number))}
    command = [sys.executable, *start.split(), str(ROOT / "docs" / "clip" / "clip.mp4"), "--out-vid-path", str(tmp_path / "o.mp4")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs are started deaf to it
    )  # fmt: skip
    assert [done.returncode, done.stderr] == how
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"sitecustomize.py"}
