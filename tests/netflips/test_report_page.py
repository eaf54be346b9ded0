"""The report as a page: complete, self-contained, safe to open, small, and true to the files.

Numbers in words, of which the page is made.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avcore.media import VideoWriter, frames_at, read_frames
from avcore.timeline import Interval
from netflips.dubbing.options import DubOptions
from netflips.quality_estimation import GIVEN, estimate
from netflips.report import material, page, story, words
from netflips.report.material import FinishedDub
from netflips.report.story import below_usual
from netflips.script.files import script_from, script_json
from netflips.script.types import Consent, Script
from netflips.script.utterance import FaceTrackSummary, SeenFaces, TimeFit, Utterance
from tests.netflips.report_pages import (
    HEIGHT,
    RATE,
    WIDTH,
    Outline,
    Reader,
    dub_report,
    four_utterances,
    left_alone,
    numbered,
    told_clip,
    told_recording,
    utterance,
    with_settings,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("page")
    return numbered(folder / 'a <b> & "c".mp4', 100, 0, 0.5), numbered(folder / "out.mp4", 100, 10, 0.25)


@pytest.fixture(scope="module")
def told(files: tuple[Path, Path]) -> FinishedDub:
    return material.gather(with_settings(four_utterances(*files), DubOptions(beam=7, label="<i>label</i>")))


def test_licences_signature_and_consent_are_told_as_text(told: FinishedDub) -> None:
    made = replace(told.script.result, may_be_sold="no, because of <x>.pt", signed="<script>a</script>")
    agreed = (Consent("<img src=x onerror=alert(1)>", "all\x1b[1m of it", "2999-12-31"),)
    shown = page.report_page([replace(told, script=replace(told.script, made=made, consent=agreed))], {})
    wanted = ("no, because of <x>.pt", "<script>a</script>", agreed[0].who, "all\\x1b[1m of it", "2999-12-31")
    assert [words for words in wanted if words not in Reader(shown).text] == []
    assert "<img src=x" not in shown


PAGES = Path(__file__).parent / "pages"


def test_the_verdict_on_one_sentence_stands_once(tmp_path: Path) -> None:
    videos = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for video in videos:
        video.write_bytes(b"a video")
    told, bad = told_clip(*videos), estimate(0.0, "loop")
    one = replace(told, quality=bad, utterances=(replace(told.utterances[0], quality=bad),))
    told = told_recording(*videos)
    two = replace(told, quality=bad, utterances=tuple(replace(utterance, quality=bad) for utterance in told.utterances))
    times = []
    for script in (one, two):
        found = Outline(page.report_page([FinishedDub(script)], {}, tmp_path)).text
        times.append(found.lower().count(bad.text()))
    assert times[0] == 1
    assert times[1] > len(two.utterances)


def test_a_sentence_has_its_verdict_where_it_is_below_the_usual() -> None:
    usual = [estimate(share, "unheard") for share in (0.79, 0.81, 0.85, 0.78, 0.8)]
    rows = [*usual, estimate(0.6, "unheard"), estimate(0.95), estimate(0.0, "loop"), GIVEN, estimate(0.8, "unsayable")]
    said = tuple(Utterance(number, quality=found, fit=TimeFit(Interval(0, 1))) for number, found in enumerate(rows, 1))
    assert below_usual(Script("en", "ko", utterances=said)) == {6, 8, 10}
    assert below_usual(Script("en", "ko", utterances=said[:5])) == set()
    assert below_usual(Script()) == set()


@pytest.mark.parametrize(("name", "script"), [("recording", told_recording), ("clip", told_clip)])
def test_the_page_says_what_it_said(name: str, script: Callable[..., Script], tmp_path: Path) -> None:
    """All its words, English and Korean. Is a change meant: delete the file, run this again, read what is written then."""
    videos = tmp_path / 'a <b> & "c".mp4', tmp_path / "out.mp4"
    for video in videos:
        video.write_bytes(b"a video")
    found = Outline(page.report_page([FinishedDub(script(*videos))], {}, tmp_path)).text
    found = found.replace(str(tmp_path), "")
    known = PAGES / f"{name}.txt"
    if not known.is_file():
        known.write_text(found, encoding="utf-8")
        pytest.fail(f"{known} was not there; read it")
    assert found == known.read_text(encoding="utf-8")


def test_each_utterance_has_row_and_card_each_dub_its_anchors(told: FinishedDub) -> None:
    reader = Reader(page.report_page([told], {}))
    assert [value for value in reader.values("id") if value.startswith("u")] == ["u1", "u2", "u3", "u4"]
    assert {f"#u{number}" for number in (1, 2, 3, 4)} <= set(reader.values("href"))
    assert reader.anchors() <= set(reader.values("id"))
    reader = Reader(page.report_page([told, told], {"bad.mp4": "no face"}))
    names = reader.values("id")
    assert len(names) == len(set(names))
    assert {"d1-u1", "d2-u4", "d1-top", "d2-top"} <= set(names)
    assert reader.anchors() <= set(names)


_HOSTILE = "'\"><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }} {% endraw %} \x1b[31m </style></title>"


def _hostile(value: Any) -> Any:
    """A part of a report's JSON in which every text, names of stages and reasons too, is hostile."""
    if isinstance(value, str):
        return value and _HOSTILE
    if isinstance(value, dict):
        given = all(name.isidentifier() for name in value) and not value.keys() & {"profile", "speech", "av2unit"}
        fixed = {"format", "schedule", "kind", "by", "absent", "code"}
        return {name if given else f"{name}{_HOSTILE}": one if name in fixed else _hostile(one) for name, one in value.items()}
    return [_hostile(one) for one in value] if isinstance(value, list | tuple) else value


def test_no_text_of_a_report_becomes_markup(told: FinishedDub, tmp_path: Path) -> None:
    report = script_from(_hostile(json.loads(json.dumps(script_json(told.script)))))
    hostile = replace(told, script=report, missing=(_HOSTILE,))
    written = page.report_page([hostile] * 2, {_HOSTILE: _HOSTILE}, tmp_path)
    reader, plain = Reader(written), Reader(page.report_page([told] * 2, {"a": "b"}, tmp_path))
    names, usual = ({name for name, _ in one.elements} for one in (reader, plain))
    assert names <= usual
    assert written.count("<script") == 1
    attributes, usual = ({name for _, found in one.elements for name in found} for one in (reader, plain))
    assert attributes <= usual
    assert "{{ 7 * 7 }}" in reader.text
    assert "\x1b" not in written
    assert reader.text.count("<img src=x onerror=alert(1)>") > 40
    assert not any(value.lower().startswith("javascript:") for name in ("src", "href") for value in reader.values(name))


def test_it_needs_nothing_but_the_videos(told: FinishedDub, files: tuple[Path, Path]) -> None:
    written = page.report_page([told], {}, files[0].parent)
    reader = Reader(written)
    assert not re.search(r"https?://|@import|url\(", written)
    assert {name for name, _ in reader.elements}.isdisjoint({"link", "iframe", "object", "base"})
    videos = {"a%20%3Cb%3E%20%26%20%22c%22.mp4", "out.mp4"}
    sources = [value for value in reader.values("src") if not value.startswith("data:image/jpeg;base64,")]
    assert {value.partition("#")[0] for value in sources} == videos
    assert {value for value in reader.values("href") if not value.startswith("#")} == videos
    assert "prefers-color-scheme: dark" in written
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in reader.elements


def _brightness(uri: str) -> float:
    encoded = base64.b64decode(uri.split(",", 1)[1])
    return float(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


def test_stills_show_the_same_frame_before_and_after(told: FinishedDub) -> None:
    assert {number: len(pairs) for number, pairs in told.pairs.items()} == {1: 3, 2: 3, 3: 3, 4: 1}
    for pairs in told.pairs.values():
        for pair in pairs:
            assert _brightness(pair.before) == pytest.approx(2 * round(pair.source_s * RATE), abs=1.5)
            assert _brightness(pair.after) - _brightness(pair.before) == pytest.approx(20, abs=1.5)


def test_videos_show_the_middle_of_the_first_utterance_unplayed(told: FinishedDub, files: tuple[Path, Path]) -> None:
    reader = Reader(page.report_page([told], {}, files[0].parent))
    before, after = (value for name, attributes in reader.elements if name == "video" for value in [attributes["poster"]])
    assert before is not None
    assert after is not None
    assert _brightness(before) == pytest.approx(2 * 13, abs=1.5)  # 0.55 s
    assert _brightness(after) == pytest.approx(2 * 23, abs=1.5)
    report = dub_report(*files, 4.0, [left_alone(1, 0.2, 0.9, "it is music"), utterance(2, 2.0, 3.0)])
    posters = material.gather(report).posters
    assert posters.source_s == pytest.approx(2.48, abs=0.03)
    assert material.gather(report, image_bytes=40_000).posters is None
    posters = material.gather(replace(four_utterances(*files), utterances=())).posters
    assert _brightness(posters.before) == pytest.approx(100, abs=2.5)  # 2 s


def test_stills_of_a_clip_follow_its_frames_to_and_fro(tmp_path: Path) -> None:
    source, output = numbered(tmp_path / "a.mp4", 20, 0, 0), tmp_path / "b.mp4"
    with VideoWriter(output, WIDTH, HEIGHT, RATE, preset="ultrafast") as writer:
        for index in range(50):
            writer.write_rgb(np.full((HEIGHT, WIDTH, 3), 2 * story.pingpong(index, 20) + 20, np.uint8))
    gathered = material.gather(dub_report(source, output, 0.8, None, duration_s=2.0, frames=50))
    assert len(gathered.pairs[1]) == 3
    for pair in gathered.pairs[1]:
        assert _brightness(pair.after) - _brightness(pair.before) == pytest.approx(20, abs=1.5)
    reader = Reader(page.report_page([gathered], {}))
    assert "as long as it takes" in reader.text
    assert "u1" in reader.values("id")


def test_a_still_is_cut_to_the_face(files: tuple[Path, Path]) -> None:
    track = FaceTrackSummary(0, 0, 0, 99, (100.0, 40.0, 130.0, 70.0), is_chosen=True)
    other = replace(track, mean_box=(0.0, 0.0, 9.0, 9.0), is_chosen=False)
    script = dub_report(*files, 4.0, [utterance(1, 0.2, 0.9, seen=SeenFaces((other, track))), utterance(2, 1.2, 1.9)])
    one, without = story.on_page(script)
    assert story.speaker_box(one, one_third := story.exact(0.5)) == (100.0, 40.0, 130.0, 70.0)
    assert story.speaker_box(without, one_third) is None
    encoded = base64.b64decode(material.gather(script).pairs[1][0].before.split(",", 1)[1])
    assert cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR).shape == (51, 51, 3)


def test_frames_at_moments_are_those_that_players_show(files: tuple[Path, Path]) -> None:
    all_frames = list(read_frames(files[0]))
    taken = list(frames_at(files[0], [0.0, 0.05, 0.05, 1.239, 1.24, 3.99, 99.0]))
    assert [float(one.time) for one in taken] == [0.0, 0.04, 0.04, 1.2, 1.24, 3.96, 3.96]
    for one in taken:
        np.testing.assert_array_equal(one.rgb, all_frames[round(one.time * RATE)].rgb)
    assert list(frames_at(files[0], [])) == []
    np.testing.assert_array_equal(next(iter(frames_at(files[0], [2.0]))).rgb, all_frames[50].rgb)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of a frame every two seconds, each hard to encode."""
    path = tmp_path_factory.mktemp("busy") / "busy.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (2, 168, 224, 3)).astype(np.uint8)
    with VideoWriter(path, 224, 168, Fraction(1, 2), preset="ultrafast") as writer:
        for index in range(300):
            writer.write_rgb(noise[index % 2])
    return path


@pytest.mark.parametrize("length", [2.0, 5.0])
def test_the_page_of_ten_minutes_is_small(busy: Path, length: float) -> None:
    utterances = [utterance(number + 1, number * length, (number + 0.9) * length) for number in range(int(600 / length))]
    gathered = material.gather(dub_report(busy, busy, 600.0, utterances))
    written = page.report_page([gathered], {})
    assert len(written.encode()) < 5_000_000
    assert sum(len(pair.before) + len(pair.after) for pairs in gathered.pairs.values() for pair in pairs) <= material.IMAGE_BYTES
    assert len(gathered.pairs) >= 100
    assert len([value for value in Reader(written).values("id") if value.startswith("u")]) == len(utterances)


def test_a_lost_file_costs_its_part_and_a_failed_run_has_a_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    gathered = material.gather(dub_report(files[0], tmp_path / "gone.mp4", 4.0, [utterance(1, 0.2, 0.9)]))
    assert gathered.pairs == {}
    text = Reader(page.report_page([gathered], {})).text
    assert text.count("gone.mp4: the video or sound file is not there") == 1
    page.write_report_page(tmp_path / "x.html", [], {"a.mp4": "no face", "b.mp4": "no sound"})
    text = Reader((tmp_path / "x.html").read_text(encoding="utf-8")).text
    assert "Failed:실패: 2" in text
    assert "no sound" in text


def test_numbers_in_words() -> None:
    for written, expected in (
        (words.clock(0), "0:00.0"),
        (words.clock(59.96), "1:00.0"),
        (words.clock(3725.25), "1:02:05.2"),
        (words.seconds(float("nan")), "unknown"),
        (words.per_cent(999, 1000), "99 %"),
        (words.per_cent(1, 1000), "under 1 %"),
        (words.per_cent(4, 4), "100 %"),
        (words.per_cent(0, 0), "none"),
        (words.several(1, "frame"), "1 frame"),
        (words.sure(-0.03), "97 % of each unit"),
        (words.sure(-0.03, -0.05), "97 % of each unit (usual here: 95 % or more)"),
        (words.sure(-0.051, -0.0495), "95.0 % of each unit (usual here: 95.2 % or more)"),
        (words.sure(None), "unknown"),
        (words.sure(float("nan"), -0.1), "unknown"),
        (words.taken_from("audio,video"), "sound and lips"),
        (words.taken_from("video"), "lips alone"),
    ):
        assert written == expected
