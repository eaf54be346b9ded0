"""The line of every command: help without torch, one line for a usage error, completion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avcore.media import VideoWriter
from netflips.cli import COMMANDS
from netflips.commands import completion, info
from tests.netflips.conftest import moving_frame

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "av2unit.inference",
    "unit2unit.inference",
    "unit2av.inference_unit2a",
    "unit2av.inference_unit2av",
    "netflips.commands.dub",
)


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command, environment = [sys.executable, "-c", code, *arguments], {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def test_help_and_usage_errors_load_no_heavy_library() -> None:
    code = f"""
import sys
from importlib import import_module
from netflips.cli import COMMANDS, main
calls = [(main, [name]) for name in COMMANDS] + [(import_module(name).main, []) for name in {MODULES!r}]
heavy = {{"torch", "cv2", "av", "mediapipe", "scipy", "hydra", "ray", "soundfile", "jinja2"}}
for command, words in calls:
    for last in ("--help", "--no-such-option"):
        try:
            command([*words, last])
        except SystemExit as end:
            assert end.code == (0 if last == "--help" else 2), (words, last, end.code)
        assert not heavy & set(sys.modules), (words, last, heavy & set(sys.modules))
"""
    done = _python(code)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == len(COMMANDS) + len(MODULES)


def test_the_front_door_gives_help_without_torch() -> None:
    code = "import runpy, sys\ntry:\n    runpy.run_path('inference_av2av.py', run_name='__main__')\n"
    code += "except SystemExit as end:\n    sys.exit(end.code or 'torch' in sys.modules)"
    done = _python(code, "--help")
    assert done.returncode == 0, done.stderr
    assert "--out" in done.stdout


def test_completion_knows_commands_options_and_values(tmp_path: Path) -> None:
    script = completion.script_for("bash")
    lines = "tr", "dub --prec", "dub --timing s", "manifest spl", "info pyproj", "manifest split --apa", "info a\\ fi"
    typed = (f"COMP_WORDS=(netflips {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))" for words in lines)
    asked = "\n".join(f'{words}; _netflips; echo "${{COMPREPLY[0]}}"' for words in typed)
    for name in ("pyproject.toml", "a file.mp4"):
        (tmp_path / name).touch()
    shell = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert shell.stdout.splitlines() == ["translate", "--precision", "source", "split", "pyproject.toml", "--apart", "a file.mp4"]
    assert completion.script_for("zsh").startswith("autoload")


def test_a_reader_that_left_is_no_error() -> None:
    line = f"{sys.executable} -m netflips.cli completion bash | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout.endswith("0\n")


def test_info_speaks_json_and_names_what_was_learnt(parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([str(parity_dir / "utut_ko.pt"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["languages"][0], facts["languages"][-1]) == ("unit translator", "en", "ko")
    assert facts["updates"] > 0
    assert info.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "ko"
    assert info.main([str(ROOT / "netflips/bundle/translator.safetensors")]) == 0
    assert "languages: en, ko\n" in capsys.readouterr().out


def test_what_a_video_says_of_itself_stays_on_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VideoWriter(tmp_path / "x.mp4", 64, 64, 25, None, comment="it\x1b[31m is\nfine", preset="ultrafast") as writer:
        for index in range(5):
            writer.write_rgb(moving_frame(index, 64, 64))
    assert info.main([str(tmp_path / "x.mp4")]) == 0
    assert capsys.readouterr().out.splitlines()[1:2] == [r"comment: it\x1b[31m is\nfine"]
