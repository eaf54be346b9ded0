"""The report as files, written whole and never over a video, and what its page plays and explains."""

import json
import pickle
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from avcore.errors import OutputError, UsageError
from avcore.notes import json_text
from avcore.timeline import Interval
from netflips.bulk.dubbing import DubRecord, VideoToDub
from netflips.commands import dub as dub_command
from netflips.report import material, page
from netflips.report.files import ReportFiles, speed_of
from netflips.report.material import FinishedDub
from netflips.report.story import ShownStretch, address, stretches_of
from netflips.script.files import script_from, script_json
from netflips.script.types import Script
from tests.netflips.conftest import config
from tests.netflips.report_pages import Reader, dub_report, four_utterances, numbered, utterance
from tests.refusal import refused


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("files")
    return numbered(folder / "in.mp4", 100, 0, 0.5), numbered(folder / "out.mp4", 100, 10, 0.25)


@pytest.fixture(scope="module")
def told(files: tuple[Path, Path]) -> FinishedDub:
    return material.gather(four_utterances(*files))


def test_the_page_appears_whole_or_not_at_all(told: FinishedDub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.html"
    path.write_text("before")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    refused(OutputError, "No space left", page.write_report_page, path, [told], {})
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["x.html"]


def test_data_and_page_are_written_after_each_input(told: FinishedDub, files: tuple[Path, Path], tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("x.HTML", "x.json", "y.json")]
    run = ReportFiles(paths, [files, (tmp_path / "in.mp4", tmp_path / "out.mp4")])
    run.add(told.script)
    run.write()
    assert "d1-u1" not in paths[0].read_text(encoding="utf-8")
    run.fail(tmp_path / "in.mp4", "it is broken")
    run.write()
    assert "it is broken" in paths[0].read_text(encoding="utf-8")
    assert json.loads(paths[1].read_text())["failures"] == {str(tmp_path / "in.mp4"): "it is broken"}
    assert paths[1].read_text() == paths[2].read_text()


def test_files_are_read_once_however_often_the_page_is_written(
    told: FinishedDub, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def gather(script: Script, *_: object) -> FinishedDub:
        reads.append(script)
        return told

    monkeypatch.setattr("netflips.report.files.gather", gather)
    run = ReportFiles([tmp_path / "x.html"], [files])
    for _ in range(3):
        run.add(told.script)
        run.write()
    assert len(reads) == 3


def test_videos_dubbed_side_by_side_have_a_page_too(
    told: FinishedDub, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out_dir, first = tmp_path / "out", tmp_path / "x.json"
    out_dir.mkdir()

    def dub_side_by_side(jobs: list[VideoToDub], *arguments: Any) -> int:
        """Take a finished report for the first video and set the second aside, without Ray."""
        record = DubRecord(out_dir)
        jobs[0].target.write_bytes(b"a dub")
        record.add(jobs[0], "key", told.script)
        record.failed.add([{"id": str(jobs[1].source), "reason": "no <face>"}])
        record.write_report(arguments[4], jobs)
        return 1

    monkeypatch.setattr("netflips.bulk.dubbing.dub_side_by_side", dub_side_by_side)
    (tmp_path / "none.pt").write_bytes(b"no model")
    flags = [f"--{name}-path={tmp_path / 'none.pt'}" for name in ("av2unit", "utut", "unit2av")]
    flags += ["--src-lang=en", "--tgt-lang=ko", *config(ray=True)]
    reports = [f"--report={name}" for name in (first, tmp_path / "x.html", tmp_path / "y.json")]
    inputs = ["--in-vid-path", str(files[0]), str(files[1]), "--out-dir", str(out_dir)]
    assert dub_command.main([*inputs, *flags, *reports]) == 1
    reader = Reader((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert {"d1-u1", "d1-u4"} <= set(reader.values("id"))
    assert "no <face>" in reader.text
    assert len([one for one in reader.values("src") if one.startswith("data:")]) == 20
    assert (tmp_path / "y.json").read_text() == first.read_text()


def test_a_report_does_not_replace_a_video(files: tuple[Path, Path], tmp_path: Path) -> None:
    for video in files:
        refused(UsageError, "must not be one of the videos", ReportFiles, [video], [files])
    refused(OutputError, "the report", ReportFiles, [tmp_path], [files])


def test_a_report_comes_back_from_its_json(told: FinishedDub, files: tuple[Path, Path]) -> None:
    clip = dub_report(*files, 4.0, None)
    assert speed_of(clip, clip.result.timings[0]) == pytest.approx(4 / 3)
    for script in (told.script, clip):
        again = script_from(json.loads(json_text(script_json(script))))
        assert again == script
        assert "sha256:89ab" in page.report_page([replace(told, script=again)], {})
        assert pickle.loads(pickle.dumps(script)) == script  # it is handed from process to process


def _videos(folder: Path) -> tuple[Path, Path]:
    """Files that nobody reads: the page only looks whether they are there."""
    paths = folder / "a #1 100%?.mp4", folder / "dubs" / "b&c.mp4"
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a video")
    return paths


def _read(report: Script, folder: Path) -> Reader:
    return Reader(page.report_page([FinishedDub(report)], {}, folder))


def test_videos_are_named_as_seen_from_the_page(tmp_path: Path) -> None:
    report = dub_report(*_videos(tmp_path), 4.0, [utterance(1, 0.5, 1.5, output=Interval(0.5, 1.75))])
    page.write_report_page(tmp_path / "x.html", [FinishedDub(report)], {})
    reader = Reader((tmp_path / "x.html").read_text(encoding="utf-8"))
    videos = [attributes for name, attributes in reader.elements if name == "video"]
    assert [one["src"] for one in videos] == ["a%20%231%20100%25%3F.mp4", "dubs/b%26c.mp4"]
    assert all("controls" in one for one in videos)
    sounds = [attributes["src"] for name, attributes in reader.elements if name == "audio"]
    assert sounds == ["a%20%231%20100%25%3F.mp4#t=0.500,1.500", "dubs/b%26c.mp4#t=0.500,1.750"]
    beside = Reader(page.report_page([FinishedDub(report)], {}, tmp_path / "pages"))
    assert "../dubs/b%26c.mp4" in beside.values("src")


def test_no_name_of_a_file_means_something_else_in_an_address(tmp_path: Path) -> None:
    names = {
        "a:b.mp4": "a%3Ab.mp4",
        "\udcff.mp4": "%FF.mp4",
        "안녕.mp4": "%EC%95%88%EB%85%95.mp4",
        "../x y/-.mp4": "../x%20y/-.mp4",
    }
    assert {name: address(tmp_path / "page" / name, tmp_path / "page") for name in names} == names


def test_a_video_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    videos = _videos(tmp_path)
    report = dub_report(*videos, 4.0, [utterance(1, 0.5, 1.5)])
    assert "was not there any more" not in _read(report, tmp_path).text
    videos[0].unlink()
    reader = _read(report, tmp_path)
    assert "The file a #1 100%?.mp4 was not there any more when this page was written." in reader.text
    assert [name for name, _ in reader.elements].count("video") == 1
    assert reader.values("data-stretches") == []
    assert [one.partition("#")[0] for one in reader.values("src")] == ["dubs/b%26c.mp4"] * 2


def test_only_the_page_s_own_script_and_style_are_allowed(tmp_path: Path) -> None:
    written = page.report_page([FinishedDub(dub_report(*_videos(tmp_path), 4.0, None))], {}, tmp_path)
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', written)
    rules = dict(rule.split(" ", 1) for rule in unescape(found[1]).split("; "))
    for name in ("script", "style"):
        inside = re.findall(f"<{name}>(.*?)</{name}>", written, re.DOTALL)
        assert len(inside) == 1
        assert rules[f"{name}-src"] == f"'sha256-{b64encode(sha256(inside[0].encode()).digest()).decode()}'"
    assert rules["default-src"] == "'none'"
    assert "style" not in {name for _, attributes in Reader(written).elements for name in attributes}


def test_the_original_waits_where_its_frame_is_held(tmp_path: Path) -> None:
    held = utterance(1, 1.0, 2.0, spoken_s=1.5, freeze_s=0.5, overrun_s=0.5, output=Interval(1.0, 2.5))
    report = dub_report(*_videos(tmp_path), 4.5, [held, utterance(2, 3.0, 3.5, output=Interval(3.5, 4.0))])
    report = replace(report, made=replace(report.result, part=Interval(0.5, 4.5)))
    expected = [ShownStretch(0.0, 1.5, 0.5), ShownStretch(2.0, 4.5, 2.0)]
    assert stretches_of(report) == expected
    told = _read(report, tmp_path).values("data-stretches")
    assert [ShownStretch(*one) for one in json.loads(told[0])] == expected
    assert stretches_of(dub_report(*_videos(tmp_path), 1.96, None)) == [ShownStretch(0.0, 1.96, 0.0)]
