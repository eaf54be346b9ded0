"""What commands write, whatever it is, never takes the place of a pipe or a device, and follows links."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from avcore.contracts import Word
from avcore.timeline import Interval
from netflips import cli
from netflips.model_paths import ModelPaths
from netflips.script.files import write_script
from netflips.script.targets import Text
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from tests.avcore.made_speech import talk
from tests.avcore.test_streams import Reader
from tests.netflips.conftest import config, model_flags, write_clip

SAID = Text("yes no", "en", words=(Word("yes", 0.1, 0.6, 1.0), Word("no", 1.2, 1.8, 1.0)))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: ModelPaths, reader: Path) -> Callable[[str, Path], int]:
    """Runs a command with an output, for which OUT stands."""
    monkeypatch.chdir(tmp_path)
    clip = write_clip(Path("clip.mp4"), talk([0.2, 1.5, 0.3]))
    write_script(Path("s.json"), Script(utterances=(Utterance(1, Interval(0.0, 2.0), text=SAID),)))
    models, reads = model_flags(paths), ["--unit2text-path", str(reader)]
    encoder, heard = models[:2], [str(clip), "--modalities", "audio", "--cpu"]
    dub = ["dub", *heard, "-y", "--from", "en", "--to", "ko", "--beam", "1", "--max-target-units", "20", *models]
    words = {
        "script": ["script", "split", "s.json", "1", "--at", "1", "-o", "OUT"],
        "units": ["units", *heard, "-o", "OUT", *encoder],
        "transcript": ["transcribe", *heard, "-o", "OUT", "--format", "txt", *reads, *encoder],
        "dub": [*dub, "-o", "OUT"],
        "report": [*dub, "-o", "o.mp4", "--report", "OUT"],
        "draft": [*dub, "--draft", "OUT"],
        "verdict": [*dub, "--draft", "d.json", "--verdict", "OUT"],
        "timeline": [*dub, "-o", "o.mp4"],
    }
    words["all of a dub"] = [
        *dub, "-o", "OUT", "--report", "out.json", "--report", "out.html", "--verdict", "sure.json",
        *config(timeline="out.otio", unit2text_path=reader), "--subtitles", "source",
    ]  # fmt: skip
    return lambda what, out: cli.main(
        [*(str(out) if word == "OUT" else word for word in words[what]), *(config(timeline=out) if what == "timeline" else [])]
    )


JSON = dict.fromkeys(("script", "report", "draft", "verdict"), ".json")
ENDINGS = {"units": ".txt", "transcript": ".txt", "dub": ".mp4", "timeline": ".otio", **JSON}
BEGINNINGS = {".mp4": b"\0\0\0", ".txt": b"", ".json": b"{", ".otio": b"{"}


@pytest.mark.parametrize("what", ENDINGS)
def test_a_pipe_gets_what_a_file_would(run: Callable[[str, Path], int], tmp_path: Path, what: str) -> None:
    pipe, link, real = (tmp_path / f"{name}{ENDINGS[what]}" for name in ("pipe", "link", "real"))
    os.mkfifo(pipe)
    reader = Reader(pipe)
    assert run(what, pipe) == 0
    found = reader.all()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert len(found) > 10
    assert found.startswith(BEGINNINGS[ENDINGS[what]])

    if what in ("script", "units", "transcript"):  # what a dub writes is tried below, all at once
        link.symlink_to(real.name)
        assert run(what, link) == 0
        assert link.is_symlink()
        assert real.read_bytes() == found


def test_all_that_a_dub_writes_follows_links(run: Callable[[str, Path], int], tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    names = ("out.mp4", "out.json", "out.html", "sure.json", "out.otio", "out.en.srt")
    for name in names:
        (tmp_path / name).symlink_to(f"real/{name}")
    assert run("all of a dub", tmp_path / "out.mp4") == 0
    assert [name for name in names if not (tmp_path / name).is_symlink()] == []
    assert {one.name for one in (tmp_path / "real").iterdir() if one.stat().st_size > 10} == {*names}
