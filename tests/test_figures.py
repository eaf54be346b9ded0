"""A figure of time or memory on a page says what measured it, on what, in which format, how often; or that it is reckoned."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("performance", "first_dub", "training_unit2a", "training_unit2unit", "training_text2unit"),
    *("recipes/kox/RESULTS", "recipes/public/RESULTS", "recipes/av2av/RESULTS"),
)
_FIGURE = re.compile(r"(?<![\w.:])\d[\d,.]* (?:CPU s|CPU seconds|s|ms|h|hours?|minutes?|MiB|GiB)\b")
_LENGTHS = re.compile(r"\d+ ms|0\.56 s|60 s before|within 30 s|\(12 hours|\d+ h of (?:English|Korean)|clips of 10 s")
"""Lengths of speech and settings, which nobody measured."""
_SAYS = {
    "a command": re.compile(r"`[^`]*(?:python |netflips |make |recipes/|tests/)[^`]*`|\]\((?:\.\./)*(?:docs/)?performance\.md#"),
    "a machine": re.compile(r"AMD|EPYC|H100|A100|H200|\bcores?\b|processor"),
    "a number format": re.compile(
        r"float32|bfloat16|float16|fp16|half.precision|made-up units|autocast|`auto`|--precision|all formats"
    ),
    "how often": re.compile(r"\bn\b|median|once|seeds|one run|a run|\d updates|\d pairs|\d sentences"),
}
_NO_MEASUREMENT = re.compile(r"reckoned|estimate|not measured")


def _parts(text: str) -> list[str]:
    """The parts of a page between headings, without what is to be typed."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.split(r"^#+ ", plain, flags=re.MULTILINE)


def lacking(part: str) -> list[str]:
    """What a part of a page with figures does not say of them."""
    if not _FIGURE.search(_LENGTHS.sub("", part)) or _NO_MEASUREMENT.search(part):
        return []
    return [what for what, pattern in _SAYS.items() if not pattern.search(part)]


@pytest.mark.parametrize("page", PAGES)
def test_a_figure_says_what_measured_it(page: str) -> None:
    path = ROOT / f"{page}.md" if "/" in page else ROOT / "docs" / f"{page}.md"
    parts = _parts(path.read_text(encoding="utf-8"))
    assert {part.partition("\n")[0]: lacking(part) for part in parts if lacking(part)} == {}


def test_a_figure_alone_is_seen() -> None:
    assert lacking("A step takes 0.21 s for the vocoder.") == list(_SAYS)
    assert lacking("`python -m benchmarks`: 0.21 s in float32 on an H100, n 3") == []
    assert lacking("A sentence of 20 units.") == []
    assert lacking("10 to 17 hours, reckoned") == []
