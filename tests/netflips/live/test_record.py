"""The record and the subtitles of a live dub: whole after each utterance, whatever ended the process before."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from avcore.errors import InputError, OutputError
from avcore.timeline import Interval
from netflips.evaluate.command import LatencyOptions
from netflips.evaluate.latency import latency_of, measure_latency
from netflips.live.record import GrowingSubtitles, Record, subtitle_file
from netflips.script.files import read_script, script_from
from netflips.script.targets import Text, WrittenText
from netflips.script.utterance import Utterance
from netflips.subtitles.formats import read_cues
from tests.refusal import refused


def _said(start_s: float, text: str = "the bus") -> Utterance:
    return Utterance(place=Interval(start_s, start_s + 2), speaker="speaker 1", text=Text(text), target=WrittenText("버스"))


def test_a_record_is_a_script_after_each_utterance(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    record = Record(path, "en", "ko", "talk.mkv")
    assert read_script(path).utterances == ()
    for number in range(1, 4):
        assert record.add(_said(10.0 * number)).number == number
        script = read_script(path)
        assert [one.place.start_s for one in script.utterances] == [10.0 * one for one in range(1, number + 1)]
        assert (script.source, script.target) == ("en", "ko")
    assert script.utterances[2].target == WrittenText("버스")


@pytest.mark.parametrize("lost", [0, 1, 3, 20, 60])
def test_a_killed_record_goes_on(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "talk.json"
    record = Record(path, "en", "ko", "talk.mkv")
    for start_s in (1.0, 4.0, 8.0):
        record.add(_said(start_s))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - lost])
    again = Record(path, "en", "ko", "talk.mkv")
    assert again.count == len(again.before) == (2 if lost > 5 else 3)
    again.add(_said(0.5, "we go"))
    script = read_script(path)
    last = script.utterances[-1]
    assert (last.text and last.text.text, last.place.start_s) == ("we go", script.utterances[-2].place.end_s + 1.5)


def test_a_record_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    Record(path, "en", "ko", "talk.mkv")
    refused(OutputError, "en to ko", Record, path, "fr", "ko", "talk.mkv")


@pytest.mark.parametrize("indent", [None, 1], ids=["in a line", "in many lines"])
def test_a_file_that_is_no_record_is_left_alone(tmp_path: Path, indent: int | None) -> None:
    """One whose beginning would be a script, too: a person's, with something behind the utterances."""
    path = tmp_path / "talk.json"
    record = Record(path, "en", "ko", "talk.mkv")
    record.add(_said(1.0))
    content = json.dumps({**json.loads(path.read_text()), "made": {"output": "talk_ko.mp4"}}, indent=indent)
    path.write_text(content)
    refused(OutputError, "no record", Record, path, "en", "ko", "talk.mkv")
    assert path.read_text() == content


def test_subtitles_are_whole_after_each_cue(tmp_path: Path) -> None:
    path = subtitle_file(tmp_path / "talk.mkv", "ko")
    assert path.name == "talk.ko.vtt"
    subtitles = GrowingSubtitles(path, "ko")
    assert path.read_text(encoding="utf-8") == "WEBVTT\n"
    subtitles.add("버스가 <지금> 서요.", 1.0, 3.0)
    subtitles.add("", 3.0, 4.0)
    subtitles.add("그리고 우리는 모두 함께 저 멀리 있는 산으로 천천히 걸어갑니다 오늘도 내일도.", 2.0, 9.0)
    cues, untimed = read_cues(path.read_text(encoding="utf-8"), ".vtt", "en", "ko")
    assert not untimed
    assert cues[0].text == "버스가 <지금> 서요."
    assert (cues[0].start_s, cues[0].end_s) == (1.0, 3.0)
    assert all(before.end_s <= after.start_s for before, after in pairwise(cues))
    assert subtitle_file(tmp_path / "live", "en") == tmp_path / "live" / "live.en.vtt"


def test_the_latency_of_a_record_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "talk.json"
    record = Record(path, "en", "ko", "talk.mkv")
    refused(InputError, "nothing", measure_latency, LatencyOptions(record=path))
    for start_s in (0.0, 5.0):
        record.add(_said(start_s), Interval(start_s + 3.5, start_s + 6.5))
    record.add(_said(10.0))
    measure_latency(LatencyOptions(record=path))
    found = json.loads(capsys.readouterr().out)
    assert (found["turns"], found["spoken"]) == (3, 2)
    assert [found[name]["mean"] for name in ("start_offset", "behind", "end_offset")] == pytest.approx([3.5, 1.5, 4.5])
    # Tokens of 0.3 s: seven are said and ten are spoken; the first seven are 3.5 s behind, the others 0.3 s more each.
    assert found["token_delay"]["p50"] == pytest.approx(3.5 + (0.3 + 0.6 + 0.9) / 10)
    Record(path, "en", "ko", "talk.mkv").add(_said(1.0), Interval(2.0, 4.0))
    assert latency_of([(one.place, one.fit.output) for one in script_from(json.loads(path.read_text())).utterances if one.fit])[
        1
    ] == (pytest.approx([1.5, 1.5, -1.0]))
