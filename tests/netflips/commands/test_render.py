"""`netflips render`: its report tells which units were said, and what became of each frame; its work is kept, as a dub's is."""

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

from avcore.media import probe, read_frames, read_speech
from avcore.timeline import frames_to_seconds
from netflips.cli import main
from netflips.script.files import script_from
from netflips.script.targets import GivenUnits
from netflips.script.utterance import DrawnFrames
from tests.avcore.media_samples import Film
from tests.unit2av.test_inference_unit2av import BOX, arguments, make_clip, write_rows

CLIP = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.mp4"


def test_a_report_tells_the_units_and_the_frames(tmp_path: Path, parity_dir: Path) -> None:
    make_clip(tmp_path / "talk.mp4")
    write_rows(tmp_path, [BOX] * 10 + [None] * 10)
    (tmp_path / "units.txt").write_text(" ".join(["5"] * 60 + ["17"] * 40))
    told, page = tmp_path / "told.json", tmp_path / "told.html"
    more = ("--no-durations", "--lips", "units", "--report", str(told), "--report", str(page))
    assert main(["render", *arguments(tmp_path, parity_dir, *more)]) == 0
    script = script_from(json.loads(told.read_text()))
    (one,) = script.processed
    assert isinstance(one.target, GivenUnits)
    assert (one.target.units.ids, one.target.units.durations, one.target.by) == ((5, 17), (60, 40), "file")
    # The frames 0 to 19, 18 to 1 and 0 to 11 are shown; the first ten have a face.
    assert (one.fit.units, one.fit.output.end_s, one.drawn) == (2, 2.0, DrawnFrames(50, 29, {"no_face": 21}))
    made, written = script.result, probe(tmp_path / "out" / "dubbed.mp4")
    assert (script.schedule, script.target, made.lips, made.frames) == ("ping_pong", "ko", "units", written.num_frames)
    assert (made.output, made.width, made.height) == (str(tmp_path / "out" / "dubbed.mp4"), written.width, written.height)
    assert [model.part for model in made.models] == ["unit2av"]
    assert "50 frames, 25 a second" in page.read_text()


def test_frames_that_begin_after_the_sound_are_drawn(tmp_path: Path, parity_dir: Path) -> None:
    frames = [one.rgb for one in islice(read_frames(CLIP), 15)]
    times = [Fraction(2, 5) + frames_to_seconds(number) for number in range(15)]
    height, width, _ = frames[0].shape
    Film(times, frames, (width, height), sound=read_speech(CLIP)[:16000]).write(tmp_path / "talk.mp4")
    (tmp_path / "units.txt").write_text(" ".join(["5"] * 20))
    told = tmp_path / "told.json"
    argv = arguments(tmp_path, parity_dir, "--no-durations", "--lips", "units", "--report", str(told), boxes=False)
    assert main(["render", *argv]) == 0
    (one,) = script_from(json.loads(told.read_text())).processed
    assert one.drawn == DrawnFrames(10, 10)
    assert [track.is_chosen for track in one.seen.tracks] == [True]


def test_finished_work_is_kept_and_a_label_is_burnt_in(tmp_path: Path, parity_dir: Path) -> None:
    make_clip(tmp_path / "talk.mp4")
    write_rows(tmp_path, [BOX] * 20)
    (tmp_path / "units.txt").write_text(" ".join(["5"] * 40))
    told, out = tmp_path / "told.json", tmp_path / "out" / "dubbed.mp4"
    more = ("--no-durations", "--lips", "units", "--work-dir", str(tmp_path / "work"), "--report", str(told))

    def drawn_by(*label: str) -> tuple[int, int]:
        """Pieces of frames that were found, and made."""
        assert main(["render", *arguments(tmp_path, parity_dir, *more, *label)]) == 0
        work = script_from(json.loads(told.read_text())).result.work
        return work.kept.get("frames", 0), work.made.get("frames", 0)

    assert drawn_by() == (0, 2)  # a piece, and what is noted of it
    plain = next(iter(read_frames(out))).rgb
    out.unlink()
    assert (drawn_by(), drawn_by("--burn-label", "made")) == ((2, 0), (0, 2))
    labelled = next(iter(read_frames(out))).rgb
    assert abs(labelled[:10].astype(int) - plain[:10]).mean() > 10 > 3 > abs(labelled[-10:].astype(int) - plain[-10:]).mean()
