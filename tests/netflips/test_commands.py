"""The commands: flags, several inputs, exit codes, one clear line."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from avcore.flags import Command
from netflips import __version__, cli
from netflips.cli import EXAMPLES, GROUPS, USUAL, words_of
from netflips.commands import dub as dub_command
from netflips.commands import info
from netflips.model_paths import ModelPaths
from tests.netflips.conftest import config, model_flags, write_clip


@pytest.fixture
def flags(paths: ModelPaths) -> list[str]:
    return [
        "--src-lang", "eng", "--tgt-lang", "kor", "--modalities", "audio", "--cpu", "--beam", "2",
        *model_flags(paths),
    ]  # fmt: skip


def test_the_package_runs_as_the_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "netflips", "--version"], capture_output=True, text=True, check=True)
    assert __version__ in ran.stdout


def test_one_video_with_report_and_label(clip: Path, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, files = tmp_path / "report.json", ["--in-vid-path", str(clip), "--out-vid-path", str(tmp_path / "x.mp4")]
    assert dub_command.main([*files, "--report", str(report), "--burn-label", *flags]) == 0
    assert f"written: {tmp_path / 'x.mp4'}" in capsys.readouterr().err
    assert json.loads(report.read_text())["target"] == "ko"
    assert cli.main(["info", str(tmp_path / "x.mp4")]) == 0
    assert f"comment: synthetic: NetfLips {__version__}, en->ko" in capsys.readouterr().out
    assert dub_command.main([*files, "--quiet", *config(vocoder_unit_offset=0), *flags]) == 0
    written = capsys.readouterr()  # nothing where all is well
    assert written.out == ""
    assert [line for line in written.err.splitlines() if "warning" not in line] == []


def test_a_failure_ends_no_other(speech: np.ndarray, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "입력 videos"
    folder.mkdir()
    for name in ("a.mp4", "c.mov"):
        write_clip(folder / name, speech, num_frames=10)
    (folder / "b.mp4").write_text("not a video")
    (folder / "notes.txt").write_text("not a video either")
    report = tmp_path / "report.json"
    arguments = ["--in-vid-path", str(folder), "--out-dir", str(tmp_path / "out"), "--report", str(report)]
    assert dub_command.main([*arguments, *flags]) == 1
    assert "1 of 3 inputs failed" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_ko.mp4", "c_ko.mp4"]
    content = json.loads(report.read_text())
    assert len(content["dubs"]) == 2
    assert list(content["failures"]) == [str(folder / "b.mp4")]


def test_netflips_hands_over_to_info(clip: Path, capsys: pytest.CaptureFixture[str], paths: ModelPaths, tmp_path: Path) -> None:
    assert cli.main(["--version"]) == cli.main(["info", str(clip)]) == 0
    shown = capsys.readouterr().out
    assert __version__ in shown
    assert "video: 160x120, 25.000 fps, 50 frames" in shown
    assert info.main([str(paths.utut)]) == 0
    shown = capsys.readouterr().out
    assert "unit translator" in shown
    assert "fingerprint: sha256:" in shown
    (tmp_path / "x.pt").write_bytes(b"nothing")
    assert info.main([str(tmp_path / "x.pt")]) == 2


def test_each_command_stands_once_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(cli.COMMANDS) == sorted(EXAMPLES)
    for words in ([], ["help"], ["--help"]):
        assert cli.main(words) == 0
        shown = capsys.readouterr().out
        assert all(f"\n{title}\n" in shown for title in GROUPS)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, found in EXAMPLES.items() for _, line in found])
def test_an_example_is_understood(name: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line.split()[:2] == ["netflips", name]
    words = words_of(line)
    if words[-1:] == ["--help"]:  # of a part that has its own
        assert words[0] in cli.parser_of(name).format_help()
        return
    monkeypatch.setattr(sys, "argv", ["netflips"])
    try:
        cli.parser_of(name).parse_args(words)
    except SystemExit as ended:
        pytest.fail(f"{line}: exit code {ended.code}")


def test_help_of_a_command_with_many_options_has_the_usual_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "dub"]) == 0
    short = capsys.readouterr().out
    flags = [line.split()[0].rstrip(",") for line in short.splitlines() if line.startswith("  -")]
    assert len(flags) == len(USUAL["dub"]) == 12
    assert short.count("\n  netflips dub") == 4
    assert "keep_sound" not in short
    assert cli.main(["help", "dub", "--all"]) == 0
    assert "keep_sound" in capsys.readouterr().out


ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("avcore", "av2unit", "unit2unit", "unit2av", "unit2text", "text2unit", "netflips")
_HAS_PARSER = re.compile(r"^def build_parser\(\)|^_?[A-Z]+ = Command\(", re.MULTILINE)


def _parsers() -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands: those of `netflips`, and of the modules that are run by `python -m`."""
    yield from map(cli.parser_of, cli.COMMANDS)
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if _HAS_PARSER.search(path.read_text(encoding="utf-8")):
            module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            if hasattr(module, "build_parser"):
                yield module.build_parser()
            yield from (one.parser() for one in vars(module).values() if isinstance(one, Command))


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _options(one)
        elif action.option_strings and action.help is not argparse.SUPPRESS:
            yield action


def test_every_option_is_named_on_a_page() -> None:
    """One that no page names helps nobody: it belongs on the page where a user would look for it, or it goes."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/**/*.md")]
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", "\n".join(page.read_text(encoding="utf-8") for page in pages)))
    given = {tuple(action.option_strings) for parser in _parsers() for action in _options(parser)}
    assert len(given) > 200
    assert [names for names in sorted(given) if not named & set(names)] == []
