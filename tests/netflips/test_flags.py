"""Options of commands: one grammar, every older flag, first guesses; a dataclass is flags, help and keywords at once."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from avcore.command import did_you_mean
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import Input, check_files
from avcore.flags import CommonOptions, declared_in, flag, options_from, out_flag, parser_for, positional, speed_flag, voice_flag
from netflips.avatar.options import AvatarOptions
from netflips.bulk.command import ExtractOptions
from netflips.cli import main, parser_of
from netflips.demo import DemoOptions
from netflips.dub.options import DubCommand
from netflips.lip_speech.options import LipSpeechOptions
from netflips.lipsync.options import LipsyncOptions
from netflips.portrait.options import PortraitOptions
from netflips.say import SayOptions
from netflips.transcribe import TranscribeOptions

ROOT = Path(__file__).resolve().parents[2]
OLD = {
    "dub": (
        "--in-vid-path --out-vid-path --out-dir --report --verdict --audio-track --subtitles --subtitle-format "
        "--embed-subtitles --burn-subtitles --subtitle-font --unit2text-path --ask -y --yes --strict --src-lang "
        "--tgt-lang --modalities --beam --max-target-units --translator-unit-offset --av2unit-path --utut-path "
        "--unit2av-path --speaker-encoder-path --speaker-path --vocoder-unit-offset --road --recognizer "
        "--text-translator --face --in-lip-path --in-bbox-path --mouth --wav2lip-path --published-timing "
        "--mouth-table --hard-paste --burn-label --timing --pace --hold-picture --utterance-length --background "
        "--background-audio --segments --segments-in --text2unit-path --speaker-map --from --to --preview --work-dir "
        "--speak-with --speak-seconds --speech-in --keep-sound --ray --workers --gpus-per-worker --address "
        "--retry-failed"
    ),
    "units": ("--in-vid-path --out-unit-path --av2unit-path --audio-track --modalities --in-lip-path --face"),
    "translate": (
        "--in-unit-path --out-unit-path --out-dir --utut-path --src-lang --tgt-lang --beam --max-target-units "
        "--translator-unit-offset"
    ),
    "speak": (
        "--in-unit-path --speaker-path --out-wav-path --tgt-lang --unit2av-path --speaker-encoder-path "
        "--vocoder-unit-offset --no-durations --duration-scale --checkpoint --config --input_file --output_folder"
    ),
    "say": (
        "--text --text-path --lang --out-path --units-path --speaker-path --text2unit-path --speaker-encoder-path "
        "--unit2av-path --duration-scale"
    ),
    "lip2speech": (
        "--out-path --out-vid-path --save-mel --lang --speaker-path --audio-track --face --av2unit-path "
        "--unit2av-path --speaker-encoder-path"
    ),
    "lipsync": (
        "--speech --audio-track --out-vid-path --mouth --wav2lip-path --published-timing --mouth-table --fit --face "
        "--burn-label --work-dir --av2unit-path --unit2av-path"
    ),
    "portrait": (
        "--speech --text --units --out-vid-path --face --motion --seed --no-blinks --no-fill --size --burn-label "
        "--mouth --wav2lip-path --published-timing --mouth-table --speaker-path --text2unit-path "
        "--speaker-encoder-path --lang --rate --av2unit-path --unit2av-path"
    ),
    "avatar": (
        "--portrait --listen --out-vid-path --report --replies --reply-command --reply-seconds --blocked --rate "
        "--lang --face --motion --seed --no-blinks --no-fill --size --burn-label --mouth --wav2lip-path "
        "--published-timing --mouth-table --recognizer --unit2text-path --av2unit-path --unit2av-path --speaker-path "
        "--text2unit-path --speaker-encoder-path"
    ),
    "render": (
        "--in-unit-path --in-vid-path --in-bbox-path --out-vid-path --speaker-path --tgt-lang --unit2av-path "
        "--speaker-encoder-path --vocoder-unit-offset --no-durations --duration-scale --face --fill-boxes "
        "--hard-paste --mouth --wav2lip-path --published-timing --mouth-table"
    ),
    "transcribe": (
        "--out --out-dir --format --modalities --audio-track --lang --face --unit2text-path --av2unit-path --recognizer --beam"
    ),
    "extract": (
        "--in-path --root --suffix --language --out-dir --layout --shard-size --av2unit-path --modalities --face "
        "--no-units --features --with-speaker --with-lips --speaker-encoder-path --workers --gpus-per-worker "
        "--address --retry-failed --readers --batch-seconds --batch-padding --overwrite --verify --max-failures "
        "--dry-run"
    ),
    "convert": ("--in-path --out-path --for --precision --kind --dtype --add-vocoder --quiet --verbose"),
}
"""Flags of November 2026 and of the published scripts, which stay."""
GUESSES = {
    "dub": "-i -o --input --output --out --target --source --from --to --voice --lips --start --end --yes -q -y",
    "lipsync": "-i -o --input --output --lips -q",
    "portrait": "-i -o --output --lips --speed --rate --to --lang --voice",
    "avatar": "-o --output --lips --speed --from --voice",
    "say": "-o --output --speed --voice --to --target --text",
    "transcribe": "-i -o --output --from --language --lang",
    "lip2speech": "-i -o --output --out --from --voice",
    "extract": "-i -o --output --out --from --language",
    "units": "-i -o --input --output --out",
    "translate": "-i -o --output --from --to --target",
    "speak": "-i -o --output --to --voice --speed",
    "render": "-i -o --output --to --voice --speed --lips --video",
    "convert": "-i -o --input --output",
}
PARTS = {
    "dub": DubCommand, "lipsync": LipsyncOptions, "portrait": PortraitOptions, "avatar": AvatarOptions, "say": SayOptions,
    "transcribe": TranscribeOptions, "lip2speech": LipSpeechOptions, "extract": ExtractOptions,
    "demo": DemoOptions,
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_older_flags_and_first_guesses_work(name: str) -> None:
    known = parser_of(name)._option_string_actions
    common = () if name == "convert" else ("--device", "--cpu", "--precision", "--quiet", "--verbose", "-q", "-v", "-y")
    assert [word for word in (*OLD[name].split(), *GUESSES[name].split(), *common) if word not in known] == []


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["help", "dub"], ["help", "say"]])
def test_help_is_no_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: Any = main(words)
    except SystemExit as end:
        code = end.code
    assert code == 0
    assert "usage: netflips" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--tgt-lnag", "--tgt-lang"),
        ("--language", "--to"),
        ("--output_dir", "--out-dir"),
        ("--speaker", "--voice"),
        ("--gpu", "--device"),
    ],
)
def test_did_you_mean_proposes_what_does_that(given: str, meant: str) -> None:
    assert did_you_mean(given, parser_of("dub")._option_string_actions) == f"did you mean {meant}?"


def test_no_command_of_netflips_works_on_what_argparse_parsed() -> None:
    files = (ROOT / "netflips").rglob("*.py")
    assert [path for path in files if "argparse.Namespace" in path.read_text(encoding="utf-8")] == []


def test_every_option_is_explained_in_a_sentence() -> None:
    for name in PARTS:
        for action in parser_of(name)._actions:
            assert action.help, (name, action.dest)


CASES: list[tuple[str, list[str], Callable[[Any], bool]]] = [
    ("dub", ["a.mp4", "-o", "b.mp4", "--from", "en", "--to", "ko"], lambda one: (one.source, one.to) == ("en", "ko")),
    ("dub", ["--from", "1.5", "--to", "9", "a.mp4"], lambda one: (one.start, one.end, one.source, one.to) == (1.5, 9, None, None)),
    ("dub", ["--in-vid-path", "a.mp4", "b.mp4", "--out-dir", "x"], lambda one: one.videos == (Path("a.mp4"), Path("b.mp4"))),
    ("dub", ["a.mp4", "--report", "a.json", "--report", "a.html"], lambda one: len(one.report) == 2),
    ("dub", ["a.mp4", "--burn-subtitles"], lambda one: one.burn_subtitles == "target"),
    ("dub", ["a.mp4", "--pace", "0.9", "1.1"], lambda one: one.recording().pace.most == 1.1),
    ("dub", ["a.mp4", "--mouth", "mesh", "--cpu"], lambda one: (one.lips.name, one.device) == ("mesh", "cpu")),
    ("portrait", ["a.jpg", "--text", "네", "-o", "b.mp4", "--rate", "0.8"], lambda one: one.speed == 0.8),
    ("portrait", ["a.jpg", "--text", "네", "-o", "b.mp4", "--no-blinks"], lambda one: not one.blinks and one.fill),
    ("say", ["네", "-o", "b.wav", "--duration-scale", "0.5"], lambda one: one.speed == 2),
    ("say", ["--text", "네", "--out-path", "b.wav"], lambda one: (one.text, one.out) == ("네", Path("b.wav"))),
    ("avatar", ["--portrait", "a.jpg", "--listen", "q.wav", "-o", "b.mp4"], lambda one: one.portrait == Path("a.jpg")),
    ("demo", ["--cpu"], lambda one: one.video.name == "example.mp4"),
    ("demo", ["a.mp4"], lambda one: one.video == Path("a.mp4")),
    ("extract", ["--in-path", "*.mp4", "--out-dir", "x", "--with-speaker"], lambda one: one.with_speaker == "row"),
]


@pytest.mark.parametrize(("name", "words", "holds"), CASES)
def test_what_a_command_line_means(name: str, words: list[str], holds: Callable[[Any], bool]) -> None:
    assert holds(options_from(PARTS[name], parser_of(name).parse_args(words)))


@dataclass(frozen=True)
class Made(CommonOptions):
    """Make something."""

    video: Path = positional("VIDEO", "--in-vid-path", file=Input("the video"), group="files")
    """what is read,
    in two lines"""
    out: Path = out_flag("the result", "--out-vid-path")
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
    parsed = options_from(Made, parser.parse_args(["--out-vid-path", "b", "--in-vid", "a", "--fit", "short"]))
    assert parsed == Made("a", "b", fit="short")  # type: ignore[arg-type]  # paths may be text
    with pytest.raises(UsageError, match="no path"):
        Made(7, "b")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the video is not there"):
        check_files(declared_in(parsed))
    Path("a").write_text("x")
    check_files(declared_in(parsed))
    with pytest.raises(OutputError, match="the result would overwrite the video"):
        check_files(declared_in(Made("a", "./a")))  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [["-o", "b"], ["a"], ["a", "-o", "b", "--fit", "wide"], ["a", "-o", "b", "--speed", "0"]])
def test_a_wrong_line_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser_for(Made, "made").parse_args(words)
    assert len(capsys.readouterr().err.splitlines()) == 1
