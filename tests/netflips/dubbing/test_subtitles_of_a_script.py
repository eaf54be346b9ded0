"""Subtitles of a script: where texts are heard and spoken in the output, and the files beside it."""

from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import pytest

from avcore.contracts import Word
from netflips.dubbing.options import DubOptions
from netflips.dubbing.store import Store
from netflips.dubbing.subtitles import cues_of, write_subtitles
from netflips.script.types import HeardUnits, Script, Text, TimeFit, TimeSpan, TranslatedUnits, UnitList, Utterance, WrittenText


def job(folder: Path, *, keeps_work: bool = True) -> Any:
    """As much of a job as subtitles need; the video lasts 10 s."""
    store = Store(Path(mkdtemp(dir=folder)))
    store.folder = folder / "o.mp4.work" if keeps_work else store.folder
    info = SimpleNamespace(duration_s=10, frame_rate=25)
    return SimpleNamespace(options=DubOptions(subtitles="target", start=None), out=folder / "o.mp4", store=store, info=info)


def said(number: int, start_s: float, text: str, words: tuple[Word, ...] = (), seconds: float = 2.0) -> Utterance:
    """An utterance that is spoken 0.5 s later than it was heard."""
    target = TranslatedUnits(UnitList((1,)), reading=Text(text, "ko", "reader", words)) if words else WrittenText(text)
    fit = TimeFit(TimeSpan(start_s + 0.5, start_s + 0.5 + seconds), spoken_s=seconds)
    return Utterance(number, TimeSpan(start_s, start_s + 1.0), target=target, fit=fit)


def script(*utterances: Utterance) -> Script:
    return Script("en", "ko", "own", utterances=utterances)


READ = (Word("a", 0.0, 1.0, 1.0), Word("b", 1.0, 2.0, 1.0))


def test_a_text_stands_where_it_is_spoken_with_the_times_that_were_read(tmp_path: Path) -> None:
    cues = cues_of(script(said(1, 1.0, "a b", READ), said(2, 5.0, "what the user\nwrote")), job(tmp_path), "target")
    assert cues is not None
    assert [(cue.start_s, cue.end_s, cue.lines) for cue in cues] == [(1.5, 3.5, ("a b",)), (5.5, 7.5, ("what the user wrote",))]


def test_a_side_that_was_not_read_has_no_subtitles_and_two_utterances_share_none(tmp_path: Path) -> None:
    heard = Utterance(1, TimeSpan(1.0, 2.0), heard=HeardUnits(UnitList((1, 2)), "audio"))
    assert cues_of(script(heard), job(tmp_path), "source") is None
    cues = cues_of(script(Utterance(1, TimeSpan(1.0, 2.0), text=Text("yes it is", "en", "person"))), job(tmp_path), "source")
    assert cues is not None
    assert [(cue.start_s, cue.end_s, cue.lines) for cue in cues] == [(1.0, 2.0, ("yes it is",))]
    cues = cues_of(script(said(1, 1.0, "yes", seconds=0.8), said(2, 1.9, "no", seconds=0.8)), job(tmp_path), "target")
    assert cues is not None
    assert [cue.lines for cue in cues] == [("yes",), ("no",)]
    assert all(one.end_s <= other.start_s for one, other in pairwise(cues))


def test_a_file_that_somebody_else_wrote_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(text: str, *, keeps_work: bool = True) -> dict[str, str]:
        write_subtitles(script(said(1, 1.0, text)), job(tmp_path, keeps_work=keeps_work))
        found = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("o.ko.*")}
        return {name: content.rstrip().split("\n")[-1] for name, content in found.items()}

    assert write("하나") == {"o.ko.srt": "하나"}
    assert write("둘") == {"o.ko.srt": "둘"}  # ours, as the work folder knows
    assert "is kept" not in caplog.text
    (tmp_path / "o.ko.srt").write_text("고친 것")
    assert write("셋") == {"o.ko.srt": "셋", "o.ko.srt.bak": "고친 것"}
    assert "o.ko.srt: warning: another file was there; it is kept as o.ko.srt.bak" in caplog.text
    assert write("셋", keeps_work=False) == {"o.ko.srt": "셋", "o.ko.srt.bak": "고친 것"}  # the same
    assert write("넷", keeps_work=False) == {"o.ko.srt": "넷", "o.ko.srt.bak": "고친 것", "o.ko.srt.bak2": "셋"}
    (tmp_path / "o.ko.srt").write_text("고친 것")
    assert write("넷", keeps_work=False) == {"o.ko.srt": "넷", "o.ko.srt.bak": "고친 것", "o.ko.srt.bak2": "셋"}  # kept once
