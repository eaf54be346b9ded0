"""A verdict is judged on texts that its tables were not measured on."""

import pytest

from netflips.understanding import SpeakerMeasure
from recipes.demo.evaluate.spoken import as_told, judged, tables_of

TEXTS = [f"{number} 번 버스가 왔어요" for number in ("일", "이", "삼", "사", "오", "육", "칠", "팔", "구", "십", "백", "천")]


def row(text: str, heard: str, way: str = "speller", **more: object) -> dict[str, object]:
    return {"way": way, "text": text, "factor": 1.0, "heard": heard, "seconds": 2.0} | more


ROWS = [row(text, text) for text in TEXTS[1:]] + [row(TEXTS[0], "")]


def test_no_table_knows_the_text_that_it_is_judged_by() -> None:
    found = judged(ROWS)
    assert len(found) == len(ROWS)
    (outlier,) = (one for one in found if one.heard == 0)
    assert outlier.verdict.share == pytest.approx(1.0)
    assert outlier.faults == {"unheard"}
    assert not any(one.faults for one in found if one is not outlier)
    table = tables_of(ROWS)["speller"]
    assert isinstance(table, SpeakerMeasure)
    assert table.wrong == pytest.approx([0.08] * 4)
    assert table.second == pytest.approx(24 / (8 * 12))


def test_dubs_over_units_go_by_the_score_of_their_translation() -> None:
    sure = [row(text, text, "units", score=-0.01, predicted=1.0, grade="good", causes=[]) for text in TEXTS[:6]]
    unsure = [row(text, text[:4], "units", score=-0.2, predicted=1.0, grade="good", causes=[]) for text in TEXTS[6:]]
    strange = row("저는 여기 있어요", "", "units", score=-0.01, predicted=0.1, grade="bad", causes=["outside"])
    rows = [*sure, *unsure, strange]
    assert tables_of(rows)["units"] == (0.75, 0.38, 0.0)
    last = [cell.strip() for cell in [*as_told(rows)][-1].split("|")[1:-1]]
    assert last[:6] == ["all", "13", "6, 0, 0", "0, 0, 4", "0, 0, 3", "9, 4, 0"]
    assert float(last[6]) > 0.9
