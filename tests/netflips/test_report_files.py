"""The report as files: written whole, after each input, read once, and never over a video."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from avcore.errors import OutputError, UsageError
from avcore.notes import json_text
from netflips.bulk.dubbing import DubRecord, VideoToDub
from netflips.bulk.records import Rejected
from netflips.dubbing import command as dub_command
from netflips.report import material, pace_of, page
from netflips.report.files import ReportFiles
from netflips.script.files import script_from, script_json
from netflips.script.types import Script
from tests.netflips.report_pages import Reader, dub_report, four_utterances, numbered


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("files")
    return numbered(folder / "in.mp4", 100, 0, 0.5), numbered(folder / "out.mp4", 100, 10, 0.25)


@pytest.fixture(scope="module")
def told(files: tuple[Path, Path]) -> page.ToldDub:
    report = four_utterances(*files)
    return page.ToldDub(report, material.gather(report))


def test_the_page_appears_whole_or_not_at_all(told: page.ToldDub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.html"
    path.write_text("before")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OutputError, match="No space left"):
        page.write_report_page(path, [told], {})
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["x.html"]


def test_data_and_page_are_written_after_each_input(told: page.ToldDub, files: tuple[Path, Path], tmp_path: Path) -> None:
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
    told: page.ToldDub, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def gather(script: Script, *_: object) -> material.Material:
        reads.append(script)
        return told.material

    monkeypatch.setattr("netflips.report.files.gather", gather)
    run = ReportFiles([tmp_path / "x.html"], [files])
    for _ in range(3):
        run.add(told.script)
        run.write()
    assert len(reads) == 3


def test_videos_dubbed_side_by_side_have_a_page_too(
    told: page.ToldDub, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out_dir, first = tmp_path / "out", tmp_path / "x.json"
    out_dir.mkdir()

    def dub_side_by_side(jobs: list[VideoToDub], *arguments: Any) -> int:
        """Take a finished report for the first video and set the second aside, without Ray."""
        record = DubRecord.read(out_dir)
        jobs[0].target.write_bytes(b"a dub")
        record.add(jobs[0], "key", told.script)
        record.set_aside(Rejected(str(jobs[1].source), "no <face>"))
        record.write_report(arguments[4], jobs)
        return 1

    monkeypatch.setattr("netflips.bulk.dubbing.dub_side_by_side", dub_side_by_side)
    (tmp_path / "none.pt").write_bytes(b"no model")
    flags = [f"--{name}-path={tmp_path / 'none.pt'}" for name in ("av2unit", "utut", "unit2av")]
    flags += ["--src-lang=en", "--tgt-lang=ko", "--ray"]
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
        with pytest.raises(UsageError, match="must not be one of the videos"):
            ReportFiles([video], [files])
    with pytest.raises(OutputError, match="the report"):
        ReportFiles([tmp_path], [files])


def test_a_report_comes_back_from_its_json(told: page.ToldDub, files: tuple[Path, Path]) -> None:
    clip = dub_report(*files, 4.0, None)
    assert pace_of(clip, clip.result.timings[0]) == pytest.approx(4 / 3)
    for script in (told.script, clip):
        again = script_from(json.loads(json_text(script_json(script))))
        assert again == script
        assert "sha256:89ab" in page.report_page([page.ToldDub(again, told.material)], {})
        assert pickle.loads(pickle.dumps(script)) == script  # it is handed from process to process
