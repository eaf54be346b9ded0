"""The reports of `netflips render`: what is written tells which units were said, and what became of each picture."""

import json
from pathlib import Path

from avcore.media import probe
from netflips.cli import main
from netflips.script.files import script_from
from netflips.script.types import DrawnPictures, UnitsGiven
from tests.unit2av.test_inference_unit2av import BOX, arguments, make_clip, write_rows


def test_a_report_tells_the_units_and_the_pictures(tmp_path: Path, parity_dir: Path) -> None:
    make_clip(tmp_path / "talk.mp4")
    write_rows(tmp_path, [BOX] * 10 + [None] * 10)
    (tmp_path / "units.txt").write_text(" ".join(["5"] * 60 + ["17"] * 40))
    told, page = tmp_path / "told.json", tmp_path / "told.html"
    more = ("--no-durations", "--lips", "units", "--report", str(told), "--report", str(page))
    assert main(["render", *arguments(tmp_path, parity_dir, *more)]) == 0
    script = script_from(json.loads(told.read_text()))
    (one,) = script.told
    assert isinstance(one.target, UnitsGiven)
    assert (one.target.units.ids, one.target.units.durations, one.target.by) == ((5, 17), (60, 40), "file")
    assert one.fit is not None
    # The pictures 0 to 19, 18 to 1 and 0 to 11 are shown; the first ten have a face.
    assert (one.fit.units, one.fit.output.end_s, one.drawn) == (2, 2.0, DrawnPictures(50, 29, {"no_face": 21}))
    made, written = script.result, probe(tmp_path / "out" / "dubbed.mp4")
    assert (script.schedule, script.target, made.lips, made.pictures) == ("to_and_fro", "ko", "units", written.num_frames)
    assert (made.output, made.width, made.height) == (str(tmp_path / "out" / "dubbed.mp4"), written.width, written.height)
    assert [model.part for model in made.models] == ["unit2av"]
    assert "50 pictures, 25 a second" in page.read_text()
