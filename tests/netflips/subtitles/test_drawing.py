"""Subtitles in the picture: where they stand, when, in which font, and what is refused."""

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, UsageError
from netflips.subtitles import drawing
from netflips.subtitles.cues import Cue
from netflips.subtitles.drawing import Painter, font_file, lacking_letters, require_letters

GRAY = np.full((180, 320, 3), 100, np.uint8)


def latin_font() -> Path:
    """A font that the drawings of the benchmarks bring along; it has no Korean letters."""
    spec = find_spec("matplotlib")
    assert spec.origin is not None
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def test_a_subtitle_stands_at_the_bottom_in_the_middle_in_its_time() -> None:
    painter = Painter([Cue(1.0, 2.0, ("Where is it?", "Over there."))], latin_font())
    shown = painter.paint(GRAY, 1.5).astype(int)
    changed = np.abs(shown - 100).max(axis=2) > 20
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] > 120
    assert 160 < rows[-1] < 178
    assert abs(columns[0] + columns[-1] - 319) <= 4
    assert shown.max() > 240  # white letters
    assert shown.min() < 30  # in a black line
    assert painter.paint(GRAY, 0.96) is painter.paint(GRAY, 2.0) is GRAY
    assert (GRAY == 100).all()
    cut = Fraction(121 * 1001, 30000)  # no whole number of microseconds: the first picture of the next shot has no subtitle
    assert Painter([Cue(3.0, float(cut), ("a",))], latin_font()).paint(GRAY, cut) is GRAY
    drawn = [painter.paint(GRAY, Fraction(number, 25)) is not GRAY for number in range(60)]
    assert drawn == [25 <= number < 50 for number in range(60)]


@pytest.mark.parametrize("shape", [(36, 64), (90, 24), (16, 16)])
def test_a_long_line_is_made_smaller_and_never_leaves_the_picture(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 100, np.uint8)
    shown = Painter([Cue(0.0, 1.0, ("m" * 42, "m" * 42))], latin_font()).paint(picture, 0.5)
    assert shown.shape == picture.shape
    assert not np.array_equal(shown, picture)


def test_names_of_kept_pictures_change_with_what_is_drawn_into_them() -> None:
    painter = Painter([Cue(1.0, 2.0, ("a",)), Cue(3.0, 4.0, ("b",))], latin_font())
    assert painter.between(0.0, 1.0) == painter.between(2.0, 3.0) == painter.between(4.0, None) == []
    first, both = painter.between(0.0, 2.5), painter.between(0.0, None)
    assert first
    assert first != both
    assert Painter([Cue(1.0, 2.0, ("c",))], latin_font()).between(0.0, 2.5) != first


def test_letters_that_a_font_lacks_are_found() -> None:
    assert lacking_letters(latin_font(), "A b가\n나가é") == "가나"
    with pytest.raises(InputError, match=r"DejaVuSans.*none for 가 힣"):
        require_letters(latin_font(), "가힣")
    require_letters(latin_font(), "Ag")


def test_fonts_that_cannot_be_used_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "x.ttf"
    other.write_bytes(b"no font")
    with pytest.raises(InputError, match=r"this is no font|x\.ttf"):
        lacking_letters(other, "a")
    with pytest.raises(InputError, match="is not there"):
        font_file(tmp_path / "none.ttf")
    monkeypatch.setattr(drawing, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install .pylopdf-fonts-ko"):
        font_file(None)
