"""What some runs of the shipped bundle write is what they wrote before (see `tests.golden`)."""

import json
import shutil
from pathlib import Path
from typing import Any

import av
import pytest

from netflips import cli
from tests import golden

pytestmark = pytest.mark.usefixtures("each_frame_is_searched_once")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return golden.write_material(tmp_path_factory.mktemp("golden"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each file that is opened as a video or sound, as often as it is."""
    files, open_file = list[str](), av.open

    def noted(file: str, *more: Any, **named: Any) -> Any:
        files.append(file)
        return open_file(file, *more, **named)

    monkeypatch.setattr(av, "open", noted)
    return files


@pytest.mark.parametrize("name", golden.TESTED)
def test_a_run_leaves_the_marks_that_are_kept(name: str, material: dict[str, Path], tmp_path: Path, opened: list[str]) -> None:
    """A recording is opened a few times: to look at it, to hear it, for faces, for frames to draw on, for stills; its sound again
    to see whether its two channels cancel, to find what of the original voice is left in the mix, and to mix it; its frames
    again where a part is drawn before the one ahead of it is read to its end."""
    if "--cascade" in golden.RUNS[name] and not golden.has_cascade():
        pytest.skip("needs the extra asr")
    kept = json.loads(golden.KEPT.read_text(encoding="utf-8"))
    mark = golden.take(name, material, tmp_path)
    if "after a kill" in mark:
        assert mark["after a kill"]["own"]["files"] == mark["own"]["files"]
        assert mark["after a kill"]["own"]["work"] == mark["own"]["work"]
    found = golden.anywhere(mark)
    differences = list(golden.differences(kept[name], json.loads(json.dumps(found)), name))
    assert not differences, "if that is meant: python -m tests.golden renew"
    if name == "film held":
        assert 0 < opened.count(f"file:{material['film']}") <= 12


def test_a_dub_of_a_clip_with_both_reports_opens_it_a_few_times(
    material: dict[str, Path], tmp_path: Path, opened: list[str]
) -> None:
    looked_at_by_nobody = shutil.copy(material["clip"], tmp_path)
    reports = ["--report", str(tmp_path / "a.json"), "--report", str(tmp_path / "a.html"), "--quiet", "--cpu"]
    assert cli.main(["dub", looked_at_by_nobody, "--out", str(tmp_path / "a.mp4"), "--lips", "units", *reports]) == 0
    assert 0 < opened.count(f"file:{looked_at_by_nobody}") <= 6
