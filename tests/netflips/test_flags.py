"""Options of commands: one grammar, the published flags, a dataclass is flags, help and keywords at once."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from avcore.command import did_you_mean
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import Input, check_files
from avcore.flags import CommonOptions, declared_in, flag, options_from, out_flag, parser_for, positional, speed_flag, voice_flag
from netflips.cli import parser_of
from netflips.commands.dub_options import DubCommand
from netflips.commands.extract import ExtractOptions
from netflips.commands.options import (
    AvatarOptions,
    DemoOptions,
    LipSpeechCommand,
    LipsyncCommand,
    PortraitCommand,
    SayCommand,
    TranscribeCommand,
)
from tests.netflips.conftest import config
from tests.refusal import refused

ROOT = Path(__file__).resolve().parents[2]
AS_PUBLISHED = {
    "dub": "--in-vid-path a --out-vid-path b --src-lang en --tgt-lang ko --modalities audio --av2unit-path c --utut-path d "
    "--unit2av-path e --cpu",
    "units": "--in-vid-path a --out-unit-path b --av2unit-path c --modalities audio,video --cpu",
    "translate": "--in-unit-path a --out-unit-path b --utut-path c --src-lang en --tgt-lang ko --cpu",
    "render": "--in-unit-path a --in-vid-path b --in-bbox-path c --out-vid-path d --tgt-lang ko --unit2av-path e --cpu",
    "speak": "--checkpoint a --config b --input_file c --output_folder d --device cpu",
}
"""Command lines of AV2AV and of the published unit-to-speech script."""
PARTS = {
    "dub": DubCommand, "lipsync": LipsyncCommand, "portrait": PortraitCommand, "avatar": AvatarOptions, "say": SayCommand,
    "transcribe": TranscribeCommand, "lip2speech": LipSpeechCommand, "extract": ExtractOptions,
    "demo": DemoOptions,
}  # fmt: skip


@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_a_published_command_line_is_read(name: str) -> None:
    given = vars(parser_of(name).parse_args(AS_PUBLISHED[name].split()))
    told = {str(one) for value in given.values() for one in (value if isinstance(value, list) else [value])}
    assert set("abcde") & set(AS_PUBLISHED[name].split()) <= told
    assert given["device"] == "cpu"


def test_did_you_mean_proposes_well_and_every_option_is_explained() -> None:
    meant = {"--retranslaet": "--retranslate", "--language": "--to", "--output_dir": "--out-dir", "--speaker": "--voice"}
    for given, name in (meant | {"--gpu": "--device"}).items():
        assert did_you_mean(given, parser_of("dub")._option_string_actions) == f"did you mean {name}?"
    for name in PARTS:
        for action in parser_of(name)._actions:
            assert action.help, (name, action.dest)


CASES: list[tuple[str, list[str], Callable[[Any], bool]]] = [
    ("dub", ["a.mp4", "-o", "b.mp4", "--from", "en", "--to", "ko"], lambda one: (one.source, one.to) == ("en", "ko")),
    ("dub", ["--burn-subtitles", "--in-vid-path=a.mp4"], lambda one: one.videos == (Path("a.mp4"),)),
    ("dub", ["--in-vid-path", "a.mp4", "b.mp4", "--out-dir", "x"], lambda one: one.videos == (Path("a.mp4"), Path("b.mp4"))),
    ("dub", ["a.mp4", "--report", "a.json", "--report", "a.html"], lambda one: len(one.report) == 2),
    ("dub", ["a.mp4", "--burn-subtitles"], lambda one: one.burn_subtitles == "target"),
    ("dub", ["a.mp4", *config(pace=[0.9, 1.1])], lambda one: one.pace == (0.9, 1.1)),
    ("dub", ["a.mp4", "--lips", "mesh", "--cpu"], lambda one: (one.lips.name, one.device) == ("mesh", "cpu")),
    ("portrait", ["a.jpg", "--text", "네", "-o", "b.mp4", "--speed", "0.8"], lambda one: one.speed == 0.8),
    ("portrait", ["a.jpg", "--text", "네", "-o", "b.mp4", "--no-blinks"], lambda one: not one.blinks and one.fill),
    ("say", ["네", "-o", "b.wav", "--speed", "2"], lambda one: one.speed == 2),
    ("avatar", ["a.jpg", "--listen", "q.wav", "-o", "b.mp4"], lambda one: one.portrait == Path("a.jpg")),
    ("demo", ["--cpu"], lambda one: one.video.name == "example.mp4"),
    ("demo", ["a.mp4"], lambda one: one.video == Path("a.mp4")),
    ("extract", ["*.mp4", "--out-dir", "x", "--with-speaker"], lambda one: one.with_speaker == "row"),
]


@pytest.mark.parametrize(("name", "words", "holds"), CASES)
def test_what_a_command_line_means(name: str, words: list[str], holds: Callable[[Any], bool]) -> None:
    assert holds(options_from(PARTS[name], parser_of(name).parse_args(words)))


@dataclass(frozen=True)
class Made(CommonOptions):
    """Make something."""

    video: Path = positional("VIDEO", file=Input("the video"), group="files")
    """what is read,
    in two lines"""
    out: Path = out_flag("the result")
    """what is written"""
    _: KW_ONLY
    voice: Path | None = voice_flag()
    """whose voice"""
    fit: Literal["long", "short"] = flag(default="long")
    """100 % of it (default: long)"""
    speed: float = speed_flag()
    """how fast (default: 1)"""


def test_a_dataclass_is_flags_help_and_keywords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parser = parser_for(Made, "made")
    text = " ".join(parser.format_help().split())
    assert "what is read, in two lines" in text
    assert "100 % of it" in text
    assert "--out-vid-path" not in text
    parsed = options_from(Made, parser.parse_args(["--out-vid-path", "b", "--in-vid-path", "a", "--fit", "short"]))
    assert parsed == Made("a", "b", fit="short")  # type: ignore[arg-type]  # paths may be text
    with pytest.raises(UsageError, match="VIDEO cannot be used; expected a path; found 7"):
        Made(7, "b")  # type: ignore[arg-type]
    refused(InputError, "the video is not there", check_files, declared_in(parsed))
    Path("a").write_text("x")
    check_files(declared_in(parsed))
    with pytest.raises(OutputError, match="the result would overwrite the video"):
        check_files(declared_in(Made("a", "./a")))  # type: ignore[arg-type]


def test_flags_win_over_files_and_a_file_over_those_before_it() -> None:
    words = ["a.mp4", *config(pace=[0.9, 1], beam=5, lips="mesh"), *config(beam=7, lips="units"), "--subtitles", "target"]
    read = options_from(DubCommand, parser_for(DubCommand, "dub").parse_args([*words, *config(subtitles="source")]))
    assert (read.pace, read.beam, read.lips.name, read.subtitles) == ((0.9, 1.0), 7, "units", "target")
    with pytest.raises(UsageError, match="lips cannot be used; expected a text; found 5"):
        options_from(DubCommand, parser_for(DubCommand, "dub").parse_args(["a.mp4", *config(lips=5)]))


@pytest.mark.parametrize("words", [["-o", "b"], ["a"], ["a", "-o", "b", "--fit", "wide"], ["a", "-o", "b", "--speed", "0"]])
def test_a_wrong_line_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    refused(SystemExit, "", parser_for(Made, "made").parse_args, words)
    assert len(capsys.readouterr().err.splitlines()) == 1
