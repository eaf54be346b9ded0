"""Recordings whose lips are moved by a mesh or from sound: frames, cuts, what is said of it, and work that is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.report.files import summary_of
from netflips.report.page import remarks_on
from netflips.script.types import Script
from tests.netflips.dubbing.made import Decoded, decode, work_made
from tests.unit2av.lip_programs import FREE, command
from tests.unit2av.mouth_samples import open_mouth
from unit2av.lipsync.backend import LipSyncChoice

Chosen = Callable[[str], DubOptions]


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    open_mouth().save(path := tmp_path_factory.mktemp("table") / "mouth.npz")
    return path


@pytest.fixture(scope="session")
def chosen(settings: DubOptions, table: Path, parity_dir: Path) -> Chosen:
    """Options with a mouth and its file, work kept in the folder that all of them share."""
    choices = {
        "mesh": LipSyncChoice(values={"mouth_table": table}),
        "wav2lip": LipSyncChoice(values={"wav2lip_path": parity_dir / "wav2lip_tiny.pth"}),
        "program": LipSyncChoice(values={"lips_with": command("mouth"), "lips_size": 128}),
    }
    return lambda name: replace(settings, lips=choices[name])


def _is_drawn(report: Script, times: np.ndarray) -> np.ndarray:
    drawn = np.zeros(len(times), bool)
    for one in report.processed:
        drawn |= (times >= one.place.start_s) & (times < max(one.place.end_s, one.fit.output.end_s) + 1e-6)
    return drawn


def _pieces(options: DubOptions) -> Callable[[], list[Path]]:
    """What lists the pieces of frames that are kept."""
    assert options.work_dir is not None
    folder = options.work_dir / "frames"
    return lambda: sorted(folder.glob("*.mp4"))


@pytest.mark.parametrize("name", ["mesh", "wav2lip", "program"])
def test_each_mouth_draws_where_one_speaks_and_goes_on_after_a_stop(
    recording: Path, models: Models, chosen: Chosen, tmp_path: Path, name: str
) -> None:
    source, out, options = decode(recording), tmp_path / "out.mp4", chosen(name)
    pieces = _pieces(options)
    for path in pieces():
        path.unlink()  # those of other mouths: every one that lies there later is this mouth's
    report = dub(recording, out, models, options)
    assert report.result.lips == name  # what auto took
    assert f"lips by {name}" in summary_of(report)
    dubbed, utterances = decode(out), report.processed
    change = np.abs(dubbed.frames.astype(int) - source.frames)
    drawn = _is_drawn(report, source.times)
    assert np.array_equal(dubbed.times, source.times)
    assert change[~drawn].mean() < 1.5
    assert change[drawn][:, :30].mean() < 1.5  # above the face
    assert change[drawn][:, 70:90, 70:90].mean() > 1.5 * change[~drawn][:, 70:90, 70:90].mean()
    assert all(one.drawn.drawn > 0.8 * one.drawn.frames for one in utterances)  # two people, and a cut between them
    assert len(pieces()) > 1
    for path in pieces()[::2]:
        path.unlink()  # as if it had been stopped
    again = dub(recording, tmp_path / "again.mp4", models, options)
    assert work_made(again).keys() == {"frames"}
    assert again.result.work_counts["frames"]["kept"] > 0
    _require_same(decode(tmp_path / "again.mp4"), dubbed)


def test_utterances_that_a_program_fails_stay_and_are_tried_again(
    recording: Path, models: Models, settings: DubOptions, tmp_path: Path
) -> None:
    (tmp_path / "once.py").write_text(
        "import runpy, sys\nfrom pathlib import Path\nruns = Path(sys.argv.pop(0)).with_suffix('.runs')\n"
        "done = len(runs.read_text()) if runs.exists() else 0\nrun = runs.open('a').write('.')\n"
        "sys.argv[1] = 'exit' if done == 1 else sys.argv[1]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    program, *words = command("mouth", "").split()
    chosen = " ".join([program, str(tmp_path / "once.py"), *words]) + FREE
    options = replace(settings, lips=LipSyncChoice(values={"lips_with": chosen, "lips_size": 128}))
    report, source = dub(recording, tmp_path / "out.mp4", models, options), decode(recording)
    one, other, third = report.processed
    (note,) = [note for note in report.warnings if "stay as they are" in note]
    assert note.startswith("the lips in utterance 2 stay as they are: ")
    assert note.endswith("the program of --lips-with failed; found exit code 3: CUDA out of memory")
    assert (one.drawn.drawn > 0, third.drawn.drawn > 0, other.drawn.left["failed"] > 0.8 * other.drawn.frames) == (True, True, True)
    assert any("(the program failed)" in part.text for remark in remarks_on(report, ()) for part in remark.pieces)
    inside = (source.times > other.place.start_s) & (source.times < other.place.end_s)
    assert np.abs(decode(tmp_path / "out.mp4").frames[inside].astype(int) - source.frames[inside]).mean() < 1.5

    runs = len((tmp_path / "once.runs").read_text())
    again = dub(recording, tmp_path / "out.mp4", models, options)
    assert len((tmp_path / "once.runs").read_text()) == runs + 1  # what was drawn is kept
    assert [row.drawn.left.get("failed") for row in again.processed] == [None] * 3

    all_fail = replace(settings, lips=LipSyncChoice(values={"lips_with": command("few"), "lips_size": 128}))
    with pytest.raises(InputError, match="wrote another number of frames, 3 times in a row"):
        dub(recording, tmp_path / "none.mp4", models, all_fail)
    assert not (tmp_path / "none.mp4").exists()


def _require_same(one: Decoded, other: Decoded) -> None:
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.sound, other.sound)


def test_another_mouth_redoes_the_frames_that_it_draws_alone(
    recording: Path, models: Models, settings: DubOptions, chosen: Chosen, tmp_path: Path
) -> None:
    dub(recording, tmp_path / "a.mp4", models, settings)
    report = dub(recording, tmp_path / "b.mp4", models, replace(chosen("wav2lip"), hard_paste=True))
    assert work_made(report).keys() == {"frames"}
    assert report.result.work_counts["frames"]["kept"] > 0  # where nobody speaks
