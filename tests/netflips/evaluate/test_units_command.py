"""Figures of one's own test split, right by hand on small ones; the bridge to VERSA."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.media import read_speech, write_speech
from avcore.progress import silent
from netflips.cli import main
from netflips.evaluate.cases import DUBBED, CaseFiles
from netflips.evaluate.suite import RESULT, rows_of_versa, write_for_versa
from netflips.evaluate.unit_scores import Pair, as_characters, match, read_side, score, score_rows, score_table
from tests.netflips.evaluate.made import SPEECH
from tests.unit2unit.tiny import write_tiny
from unit2unit.inference import UnitTranslator
from unit2unit.inference import main as translate


def _pair(found: list[int], reference: list[int], name: str = "a") -> Pair:
    return Pair.of(name, np.array(found, dtype=np.int64), np.array(reference, dtype=np.int64))


def test_figures_by_hand() -> None:
    whole = score([_pair([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])])
    figures = [round(whole[name], 6) for name in ("exact", "unit_error_rate", "bleu", "chrf")]
    assert figures == [1.0, 0.0, 100.0, 100.0]
    # Of 5 + 3 reference units: one substituted, three missing. Words right: 4 of 5; pairs 2 of 4; threes 0.
    found = score([_pair([1, 2, 9, 4, 5], [1, 2, 3, 4, 5]), _pair([], [7, 8, 9])])
    assert found["unit_error_rate"] == pytest.approx(4 / 8)
    assert [found[name] for name in ("utterances", "reference_units", "found_units", "exact")] == [2, 8, 5, 0.0]
    # BLEU (smoothed: 1 / 2 and 1 / 4 for the orders without a hit): brevity exp(1 - 8 / 5).
    precisions = [4 / 5, 2 / 4, 1 / (2 * 3), 1 / (4 * 2)]
    assert found["bleu"] == pytest.approx(100 * np.exp(1 - 8 / 5) * np.prod(precisions) ** 0.25, rel=1e-6)
    assert 0 < found["chrf"] < 100


def test_repeats_are_merged_and_units_are_whole_tokens() -> None:
    assert score([_pair([1, 1, 2, 2, 2, 3, 4], [1, 2, 3, 3, 4])])["bleu"] == pytest.approx(100)
    assert score([_pair([11, 12, 13, 14], [1, 2, 3, 4])])["chrf"] == 0, "digits of units are not compared"
    assert len(as_characters(np.arange(1000))) == len(set(as_characters(np.arange(1000)))) == 1000


def test_corpus_figures_are_not_means_of_utterances() -> None:
    pairs = [_pair([1], [1], "a"), _pair([9, 9, 8, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9], "b")]
    each = [row["unit_error_rate"] for row in score_rows(pairs)]
    assert each == [0.0, pytest.approx(8 / 9, abs=1e-4)]
    assert score(pairs)["unit_error_rate"] == pytest.approx(8 / 10)


def test_the_table_is_one_whole_table() -> None:
    lines = score_table(score([_pair([1, 2], [1, 3])])).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["utterances", "exact", "unit error rate", "BLEU", "chrF"]
    assert "tok:none" in lines[5]


@pytest.fixture
def forms(tmp_path: Path) -> dict[str, Path]:
    """The same two utterances in all forms that units are held in; `b` has none."""
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "files" / "a.txt").write_text("1 1 2 3")
    (tmp_path / "files" / "deep" / "b.unit").write_text("")
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "units": [1, 2, 3]}\n{"id": "deep/b", "units": []}\n')
    (tmp_path / "extracted" / "shards").mkdir(parents=True)
    (tmp_path / "extracted" / "shards" / "00000.jsonl").write_text((tmp_path / "rows.jsonl").read_text())
    (tmp_path / "test.ko").write_text("1 2 3\n\n")
    (tmp_path / "test.ids").write_text("a\ndeep/b\n")
    return {
        name: tmp_path / place
        for name, place in {"files": "files", "rows": "rows.jsonl", "extracted": "extracted", "lines": "test.ko"}.items()
    }


def test_all_forms_say_the_same(forms: dict[str, Path]) -> None:
    sides = [read_side(path) for path in forms.values()]
    pairs = [match(side, sides[0]) for side in sides]
    assert [pair.id for pair in pairs[0]] == ["a", "deep/b"]
    for one in pairs:
        assert [(pair.found.tolist(), pair.reference.tolist()) for pair in one] == [([1, 2, 3], [1, 2, 3]), ([], [])]


def test_units_are_scored_by_the_command(forms: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "found.jsonl").write_text('{"id": "deep/b", "units": [4]}\n{"id": "a", "units": [1, 2, 9]}\n')
    given = ["evaluate", "units", "--hypotheses", str(tmp_path / "found.jsonl"), "--references", str(forms["lines"])]
    assert main([*given, "--json", str(tmp_path / "out.json"), "--rows", str(tmp_path / "out.jsonl")]) == 0
    assert "| unit error rate | 0.667 |" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["unit_error_rate"] == pytest.approx(2 / 3, abs=1e-4)
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["found"]) for row in told] == [("a", [1, 2, 9]), ("deep/b", [4])]


def test_what_has_no_counterpart_is_said(forms: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "found.jsonl").write_text('{"id": "a", "units": [1, 2, 3]}\n{"id": "c", "units": [1]}\n')
    given = ["evaluate", "units", "--hypotheses", str(tmp_path / "found.jsonl"), "--references", str(forms["rows"])]
    assert main(given) == 0
    told = capsys.readouterr()
    assert "1 reference without a hypothesis, counted as wrong: deep/b" in told.err
    assert "1 hypothesis without a reference, left out: c" in told.err
    (tmp_path / "found.jsonl").write_text('{"id": "c", "units": [1]}\n{"id": "d", "units": [1]}\n')
    assert main(given) == 2
    assert "no reference has a hypothesis" in capsys.readouterr().err
    given[3:6] = [str(forms["rows"]), "--references", str(tmp_path / "none.jsonl")]
    assert main(given) == 2
    (forms["lines"].with_suffix(".ids")).write_text("a\n")
    assert main([*given[:-1], str(forms["lines"])]) == 2
    assert "differ in number" in capsys.readouterr().err
    rows_path = ["--rows", str(forms["rows"])]
    assert main(["evaluate", "units", "--hypotheses", str(forms["rows"]), "--references", str(forms["files"]), *rows_path]) == 2


@pytest.fixture
def split(tmp_path: Path) -> dict[str, Path]:
    """A translator, units to translate, and its own translations as references."""
    model = write_tiny(tmp_path / "tiny.safetensors", seed=5)
    sources = {"a": [3, 17, 29, 4, 0], "b": [5, 6, 5], "c": [1, 2, 28, 9]}
    (tmp_path / "en.jsonl").write_text("".join(json.dumps({"id": name, "units": ids}) + "\n" for name, ids in sources.items()))
    given = ["--in-unit-path", str(tmp_path / "en.jsonl"), "--out-unit-path", str(tmp_path / "ko.jsonl"), "--utut-path", str(model)]
    assert translate([*given, "--src-lang", "en", "--tgt-lang", "ko", "--cpu", "--quiet"]) == 0
    text = tmp_path / "pairs" / "text"
    text.mkdir(parents=True)
    for name in ("en", "ko"):
        sides = {row["id"]: row["units"] for row in map(json.loads, (tmp_path / f"{name}.jsonl").read_text().splitlines())}
        (text / f"test.{name}").write_text("".join(" ".join(map(str, sides[one])) + "\n" for one in sources))
    (text / "test.ids").write_text("a\nb\nc\n")
    (tmp_path / "pairs" / "data.json").write_text('{"languages": ["en", "ko"]}')
    return {"model": model, "pairs": tmp_path / "pairs"}


def test_a_score_goes_on_by_row_and_is_shared(
    split: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    common = ["evaluate", "translate", "--utut-path", str(split["model"]), "--cpu", "--quiet", "--pairs", str(split["pairs"])]
    assert main([*common, "--rows", str(tmp_path / "whole.jsonl")]) == 0
    assert main([*common, "--part", "0/2"]) == 2
    assert "parts keep their translations beside the result; expected --rows FILE" in capfd.readouterr().err
    here = ["--rows", str(tmp_path / "out.jsonl")]
    for part in ("0/2", "1/2"):
        assert main([*common, *here, "--part", part]) == 0
        assert not (tmp_path / "out.jsonl").exists()
    monkeypatch.setattr(UnitTranslator, "translate_batch", None)  # every row is kept
    assert main([*common, *here]) == 0
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not list(tmp_path.glob("*.work*"))


def test_a_test_split_is_translated_and_scored(split: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["evaluate", "translate", "--utut-path", str(split["model"]), "--cpu", "--quiet", "--json", str(tmp_path / "out.json")]
    common += ["--pairs", str(split["pairs"])]
    assert main([*common, "--beam", "4"]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["utterances"], found["exact"]) == (3, 1.0)
    assert found["unit_error_rate_interval"] == {"low": 0.0, "high": 0.0}
    capsys.readouterr()
    assert main([*common, "--max-target-units", "3"]) == 0
    told = capsys.readouterr()
    assert json.loads((tmp_path / "out.json").read_text())["truncated"] == 3
    assert "| cut             | 3" in told.out
    assert "3 translations stopped at the limit of length" in told.err


def test_a_split_that_is_not_there_or_cannot_be_translated(split: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    common = ["evaluate", "translate", "--utut-path", str(split["model"]), "--cpu"]
    assert main([*common, "--pairs", str(split["pairs"].parent)]) == 2
    assert "data.json" in capsys.readouterr().err
    (split["pairs"] / "text" / "test.en").write_text("99\n5 6 5\n1 2 28 9\n")
    assert main([*common, "--pairs", str(split["pairs"])]) == 1
    assert "a: unit at position 0 is out of range" in capsys.readouterr().err


@pytest.fixture
def cases(tmp_path: Path) -> list[CaseFiles]:
    files = [tmp_path / f"{name}.wav" for name in ("a", "b", "source")]
    for number, path in enumerate(files):
        write_speech(path, SPEECH * np.float32(0.5 + 0.1 * number))
    return [CaseFiles("talk 1", files[0], source=files[2], reference_text="물 주세요"), CaseFiles("b", files[1])]


def test_clips_are_listed_as_versa_reads_them(cases: list[CaseFiles], tmp_path: Path) -> None:
    write_for_versa(cases, tmp_path / "v", silent)
    lists = {name: (tmp_path / "v" / name).read_text().splitlines() for name in ("pred.scp", "gt.scp", "text")}
    assert [line.split()[0] for line in lists["pred.scp"]] == ["talk_1", "b"]
    assert lists["text"] == ["talk_1 물 주세요"]
    (key, path) = lists["gt.scp"][0].split()
    assert key == "talk_1"
    assert read_speech(Path(path)) == pytest.approx(SPEECH * 0.7, abs=1e-3)


def test_its_answers_are_rows_with_intervals(cases: list[CaseFiles], tmp_path: Path) -> None:
    assert rows_of_versa(cases, tmp_path) == []
    lines = [{"key": "talk_1", "utmos": 3.0, "text": "x", "pesq": float("nan")}, {"key": "b", "utmos": 4.0}]
    (tmp_path / RESULT).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (row,) = rows_of_versa(cases, tmp_path)
    figure = row.figure_of(DUBBED)
    assert (row.name, row.title, figure.value, figure.low, figure.high) == ("versa_utmos", "VERSA: utmos", 3.5, 3.0, 4.0)


def test_a_line_of_another_set_is_named(cases: list[CaseFiles], tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text('{"key": "nobody", "utmos": 1}\n')
    with pytest.raises(InputError, match=r"line 1 is of no clip.*nobody"):
        rows_of_versa(cases, tmp_path)
