"""Numbers in words and drawings, of which the report's page is made."""

import pytest
from markupsafe import Markup

from netflips.report import words
from netflips.report.drawing import element


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.clock(0), "0:00.0"),
        (words.clock(59.96), "1:00.0"),
        (words.clock(3725.25), "1:02:05.2"),
        (words.seconds(float("nan")), "unknown"),
        (words.per_cent(999, 1000), "99 %"),
        (words.per_cent(1, 1000), "under 1 %"),
        (words.per_cent(4, 4), "100 %"),
        (words.per_cent(0, 0), "none"),
        (words.several(1, "picture"), "1 picture"),
        (words.sure(-0.03), "97 % of each unit"),
        (words.sure(-0.03, -0.05), "97 % of each unit (usual here: 95 % or more)"),
        (words.sure(-0.051, -0.0495), "95.0 % of each unit (usual here: 95.2 % or more)"),
        (words.sure(None), "unknown"),
        (words.sure(float("nan"), -0.1), "unknown"),
        (words.taken_from("audio,video"), "sound and lips"),
        (words.taken_from("video"), "lips alone"),
    ],
)
def test_numbers_in_words(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (element("text", "<&>\"'"), "<text>&lt;&amp;&gt;&#34;&#39;</text>"),
        (element("g", element("rect", x=1), [None, "x"], class_='a"b'), '<g class="a&#34;b"><rect x="1"></rect>x</g>'),
        (element("svg", Markup("<g></g>"), viewbox="0 0 1 1", a_b=2), '<svg viewBox="0 0 1 1" a-b="2"><g></g></svg>'),
        (element("title", "a\x1b[31mb\n"), "<title>a\\x1b[31mb\n</title>"),
    ],
)
def test_drawings_escape_all_but_markup(made: Markup, expected: str) -> None:
    assert made == expected
