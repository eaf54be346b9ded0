"""Work that was damaged between two runs is noticed and made anew: the output is the same to the byte."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from avcore.errors import OutputError
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from tests.damage import damaged
from tests.netflips.dubbing.made import work_made

CASES = {
    "hole": ("sound/*.f32", "frames/*.mp4", "faces/*.npz", "voices/*.npz"),
    "cut": ("sound/*.f32", "lips/*.npy", "units/*.npz", "runs/*.json"),
    "zero": ("frames/*.mp4", "frames/*.npz", "speech/*.npz", "runs/*.json"),
    "empty": ("kept.jsonl", "runs/*.json", "translations/*.npz", "scenes/*.npz"),
}
Made = tuple[Path, bytes]


@pytest.fixture(scope="module")
def options(settings: DubOptions) -> DubOptions:
    """Settings without a work folder of their own: it lies beside the output."""
    return replace(settings, work_dir=None, timing="source")


@pytest.fixture(scope="module")
def made(recording: Path, models: Models, options: DubOptions, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The output of an undisturbed run with its work folder beside it, and its content."""
    out = tmp_path_factory.mktemp("whole") / "out.mp4"
    dub(recording, out, models, options)
    return out, out.read_bytes()


@pytest.mark.parametrize("how", CASES)
def test_damaged_work_is_made_anew(
    recording: Path, models: Models, options: DubOptions, made: Made, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    out, whole = made
    work = out.parent / "out.mp4.work"
    copy = shutil.copytree(work, out.parent / how)
    chosen = [sorted(work.glob(pattern))[-1] for pattern in CASES[how]]
    for path in chosen:
        path.write_bytes(damaged(path.read_bytes(), how))
    out.unlink()
    with caplog.at_level(logging.WARNING):
        report = dub(recording, out, models, options)
    assert out.read_bytes() == whole
    for path in chosen:
        assert how == "empty" or str(path) in caplog.text, path
        if path.parent.name not in ("runs", work.name):
            assert work_made(report)[path.parent.name] >= 1
            assert path.stat().st_size == (copy / path.relative_to(work)).stat().st_size
    (note,) = (work / "runs").glob("*.json")
    assert json.loads(note.read_text())


def test_a_work_folder_that_leads_elsewhere_is_refused(recording: Path, models: Models, options: DubOptions, made: Made) -> None:
    out, _ = made
    (out.parent / "b.mp4.work").mkdir()
    (out.parent / "b.mp4.work" / "frames").symlink_to(out.parent / "out.mp4.work" / "frames")
    with pytest.raises(OutputError, match=r"frames: the work folder leads elsewhere; found a link"):
        dub(recording, out.parent / "b.mp4", models, options)
