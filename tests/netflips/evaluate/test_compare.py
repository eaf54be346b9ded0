"""Two runs compared: what differs by construction is found, what does not is not, and what cannot be compared is said.

Intervals over clips and two runs compared: beside scipy's bootstrap, and where the answer is known.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap as scipys

from avcore.errors import InputError
from avcore.statistics import bootstrap
from netflips.evaluate import records
from netflips.evaluate.by_clip import paired_bootstrap
from netflips.evaluate.command import main
from netflips.evaluate.compare import compare
from netflips.evaluate.records import Record

WANTED = ("a long way to go", "it is cold today", "they come home late", "the train is here")
WRONG = ("a way to go", "it was cold", "they come", "the rain is here")


def write_run(folder: Path, shift: float = 0.0, texts: tuple[str, ...] = WANTED, by: str = "whisper") -> Path:
    """Twelve clips with a unit sync and a duration ratio, four of them with texts."""
    noise = np.random.default_rng(0).normal(0, 0.05, 12)
    found = [Record(f"c{n}", "dub", "unit_sync", "", {"unit_sync": 0.5 + value + shift}) for n, value in enumerate(noise)]
    found += [Record(f"c{n}", "source", "unit_sync", "", {"unit_sync": 0.9}) for n in range(12)]
    found += [Record(f"c{n}", "dub", "duration_ratio", "", {"duration_ratio": 1.0 + value}) for n, value in enumerate(noise)]
    for n, (heard, wanted) in enumerate(zip(texts, WANTED, strict=True)):
        errors = float(sum(one != other for one, other in zip(heard.split(), wanted.split(), strict=False)))
        figures = {"wer": errors / 4, "wer_above": errors, "wer_below": 4.0}
        said = {"heard": heard, "wanted": wanted, "recognizer": by}
        likeness = {"chrf": 50.0, "bleu_char": 50.0, "bleu_13a": 50.0}
        found += [Record(f"c{n}", "dub", "wer", "", figures, texts=said), Record(f"c{n}", "dub", "chrf", "", likeness, texts=said)]
    folder.mkdir()
    records.add(folder, found)
    return folder


def test_what_differs_is_significant_and_what_does_not_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b", shift=0.1)
    found = {one.name: one.difference for one in compare(first, second)[0]}
    sync = found["unit_sync"]
    assert sync.value == pytest.approx(0.1)
    assert sync.is_significant
    assert 0 < sync.low <= sync.value <= sync.high
    assert not found["duration_ratio"].is_significant
    assert found["duration_ratio"].p == pytest.approx(1.0)
    assert main(["compare", str(first), str(second)]) == 0
    shown = capsys.readouterr().out
    assert "second is better" in next(line for line in shown.splitlines() if line.startswith("| unit sync"))
    assert "no significant difference" in next(line for line in shown.splitlines() if line.startswith("| length over"))


def test_texts_are_compared_over_the_whole_set(tmp_path: Path) -> None:
    found, notes = compare(write_run(tmp_path / "a"), write_run(tmp_path / "b", texts=WRONG))
    by = {one.name: one for one in found}
    assert by["chrf"].first == pytest.approx(100)
    assert by["chrf"].second < 90
    assert by["wer"].first == 0.0
    assert by["wer"].second == pytest.approx(by["wer"].difference.value)
    assert by["wer"].difference.value > 0
    assert notes == []


def test_other_recognizers_are_not_compared(tmp_path: Path) -> None:
    found, notes = compare(write_run(tmp_path / "a"), write_run(tmp_path / "b", by="unit2text"))
    assert not {"wer", "chrf"} & {one.name for one in found}
    assert "wer: heard by whisper and by unit2text" in notes


def test_clips_of_one_run_only_and_failures_of_one_only_are_told(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    records.add(first, [Record("more", "dub", "unit_sync", "", {"unit_sync": 0.1})])
    records.add(second, [Record("c3", "dub", "unit_sync", "", failed="no face")])
    found, notes = compare(first, second)
    sync = next(one for one in found if one.name == "unit_sync")
    assert (sync.difference.n, sync.failed) == (11, (0, 1))
    assert sync.difference.value == 0.0
    assert any(note.startswith("1 clip in") for note in notes)


@pytest.mark.parametrize(("second", "said"), [("empty", "there are no records"), ("other", "no clip in common")])
def test_what_has_nothing_to_compare_is_refused(tmp_path: Path, second: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_run(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    records.add(tmp_path / "other", [Record("z", "dub", "unit_sync", "", {"unit_sync": 0.1})])
    assert main(["compare", str(first), str(tmp_path / second)]) == 2
    assert said in capsys.readouterr().err


_RNG = np.random.default_rng(5)
VALUES = _RNG.gamma(2.0, 1.0, size=60)


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    found = bootstrap(VALUES)
    theirs = scipys((VALUES,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert found.value == pytest.approx(VALUES.mean())
    assert found.low == pytest.approx(theirs.low, abs=0.04)
    assert found.high == pytest.approx(theirs.high, abs=0.04)
    assert found.n == 60
    assert bootstrap(VALUES) == found


def test_one_clip_says_nothing_of_others_and_none_is_an_error() -> None:
    alone = bootstrap([0.5])
    assert (alone.value, alone.n) == (0.5, 1)
    assert np.isnan([alone.low, alone.high]).all()
    with pytest.raises(InputError, match="nothing to measure"):
        bootstrap([])
    with pytest.raises(InputError, match="nothing to measure"):
        bootstrap([1.0], [0.0])


def test_a_small_gain_on_every_clip_is_significant_though_clips_differ_much() -> None:
    found = paired_bootstrap((VALUES, None), (VALUES + 0.05 + _RNG.normal(scale=0.02, size=60), None))
    assert found.is_significant
    assert found.low > 0
    assert found.value == pytest.approx(0.05, abs=0.01)
    assert bootstrap(VALUES).high - bootstrap(VALUES).low > 0.3  # it would drown in the intervals of the two


def test_chance_is_not_significant() -> None:
    sides = [[(side, None) for side in np.random.default_rng(seed).normal(size=(2, 40))] for seed in range(40)]
    judged = [paired_bootstrap(first, second).is_significant for first, second in sides]
    assert sum(judged) <= 6  # one in twenty, more or less
    same = paired_bootstrap((VALUES, None), (VALUES, None))
    assert (same.value, same.p, same.is_significant) == (0, 1, False)
    with pytest.raises(InputError, match="different clips"):
        paired_bootstrap(([1.0], None), ([1.0, 2.0], None))
