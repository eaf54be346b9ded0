"""Videos, sounds and warnings on the report's page: found, named, in step, and explained."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

from netflips.report import page
from netflips.report.material import Material
from netflips.report.story import ShownStretch, address, stretches_of
from netflips.script.types import Script, TimeSpan
from tests.netflips.report_pages import Reader, dub_report, utterance


def _videos(folder: Path) -> tuple[Path, Path]:
    """Files that nobody reads: the page only looks whether they are there."""
    paths = folder / "a #1 100%?.mp4", folder / "dubs" / "b&c.mp4"
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a video")
    return paths


def _read(report: Script, folder: Path) -> Reader:
    return Reader(page.report_page([page.ToldDub(report, Material())], {}, folder))


def test_videos_are_named_as_seen_from_the_page(tmp_path: Path) -> None:
    report = dub_report(*_videos(tmp_path), 4.0, [utterance(1, 0.5, 1.5, output=TimeSpan(0.5, 1.75))])
    page.write_report_page(tmp_path / "x.html", [page.ToldDub(report, Material())], {})
    reader = Reader((tmp_path / "x.html").read_text(encoding="utf-8"))
    videos = [attributes for name, attributes in reader.elements if name == "video"]
    assert [one["src"] for one in videos] == ["a%20%231%20100%25%3F.mp4", "dubs/b%26c.mp4"]
    assert all("controls" in one for one in videos)
    sounds = [attributes["src"] for name, attributes in reader.elements if name == "audio"]
    assert sounds == ["a%20%231%20100%25%3F.mp4#t=0.500,1.500", "dubs/b%26c.mp4#t=0.500,1.750"]
    beside = Reader(page.report_page([page.ToldDub(report, Material())], {}, tmp_path / "pages"))
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
    written = page.report_page([page.ToldDub(dub_report(*_videos(tmp_path), 4.0, None), Material())], {}, tmp_path)
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', written)
    rules = dict(rule.split(" ", 1) for rule in unescape(found[1]).split("; "))
    for name in ("script", "style"):
        inside = re.findall(f"<{name}>(.*?)</{name}>", written, re.DOTALL)
        assert len(inside) == 1
        assert rules[f"{name}-src"] == f"'sha256-{b64encode(sha256(inside[0].encode()).digest()).decode()}'"
    assert rules["default-src"] == "'none'"
    assert "style" not in {name for _, attributes in Reader(written).elements for name in attributes}


def test_the_original_waits_where_its_picture_is_held(tmp_path: Path) -> None:
    held = utterance(1, 1.0, 2.0, spoken_s=1.5, held_s=0.5, overrun_s=0.5, output=TimeSpan(1.0, 2.5))
    report = dub_report(*_videos(tmp_path), 4.5, [held, utterance(2, 3.0, 3.5, output=TimeSpan(3.5, 4.0))])
    report = replace(report, made=replace(report.result, part=TimeSpan(0.5, 4.5)))
    expected = [ShownStretch(0.0, 1.5, 0.5), ShownStretch(2.0, 4.5, 2.0)]
    assert stretches_of(report) == expected
    told = _read(report, tmp_path).values("data-stretches")
    assert [ShownStretch(*one) for one in json.loads(told[0])] == expected
    assert stretches_of(dub_report(*_videos(tmp_path), 1.96, None)) == [ShownStretch(0.0, 1.96, 0.0)]
