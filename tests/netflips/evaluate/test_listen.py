"""A page for a blind comparison: sides are drawn, answers are counted for the right system, and intervals are Wilson's."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from avcore.media import write_speech
from avcore.statistics import share
from netflips.evaluate.command import main
from netflips.evaluate.listen import intervals


def write_clips(folder: Path, ending: str, level: float) -> Path:
    folder.mkdir()
    for number in range(6):
        write_speech(folder / f"c{number}{ending}.wav", np.full(800, level * (number + 1), np.float32))
    return folder


def about_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="about">(.*?)</script>', page)
    assert found is not None
    return dict(json.loads(found[1]))


def test_a_page_plays_pairs_blindly(tmp_path: Path) -> None:
    first, second, out = write_clips(tmp_path / "<a>", "_ko", 0.01), write_clips(tmp_path / "b", "", 0.02), tmp_path / "listen.html"
    assert main(["listen", str(first), str(second), "--out", str(out), "--number", "4", "--quiet"]) == 0
    page = out.read_text(encoding="utf-8")
    about = about_of(page)
    told: list[dict[str, object]] = about["pairs"]  # type: ignore[assignment]
    assert all(one["names"] == [str(first), str(second)] for one in told)
    assert len({one["clip"] for one in told}) == 4
    assert {one["swapped"] for one in told} == {True, False}
    pairs = re.findall(r'<section class="pair".*?</section>', page)
    assert [len(re.findall("data:audio/flac", pair)) for pair in pairs] == [2, 2, 2, 2]
    shown = page.replace(re.search(r'<script type="app.*?</script>', page)[0], "")  # type: ignore[index]
    assert str(first) not in shown
    assert str(second) not in shown
    assert "http:" not in page
    assert "https:" not in page
    assert main(["listen", str(first), str(second), "--out", str(tmp_path / "again.html"), "--number", "4", "--quiet"]) == 0
    assert about_of((tmp_path / "again.html").read_text(encoding="utf-8"))["pairs"] == about["pairs"]


def test_intervals_are_those_of_a_share() -> None:
    found = intervals(5)
    assert found[0] == [(0.0, 1.0)]
    expected = share([True, True, True, False, False])
    assert found[5][3] == (pytest.approx(expected.low, abs=1e-3), pytest.approx(expected.high, abs=1e-3))


@pytest.mark.parametrize(
    ("words", "said"), [("a c", "no clips in the folder"), ("a b", "no clip in common"), ("a a --number 0", "--number must be")]
)
def test_what_cannot_be_compared_is_one_line(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clips(tmp_path / "a", "", 0.01)
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    write_speech(tmp_path / "b" / "other.wav", np.zeros(800, np.float32))
    assert main(["listen", *words.split()]) == 2
    assert said in capsys.readouterr().err
