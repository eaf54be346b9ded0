"""Manifests of evaluations; two runs compared by figures, and by people in a blind comparison."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import bootstrap as scipys

from avcore.errors import InputError, MediaError
from avcore.media import write_speech
from avcore.statistics import bootstrap, paired_bootstrap, share
from netflips.evaluate import records
from netflips.evaluate.cases import CaseFiles, check_media, read_cases
from netflips.evaluate.command import main
from netflips.evaluate.compare import compare
from netflips.evaluate.listen import intervals
from netflips.evaluate.records import Record

WANTED = ("a long way to go", "it is cold today", "they come home late", "the train is here")
WRONG = ("a way to go", "it was cold", "they come", "the rain is here")


def save(folder: Path, found: Iterable[Record]) -> None:
    records.record_rows(folder).add(one.to_row() for one in found)


def write_run(folder: Path, shift: float = 0.0, texts: tuple[str, ...] = WANTED, by: str = "whisper") -> Path:
    """Twelve clips with a unit sync and a duration ratio, four of them with texts."""
    noise = np.random.default_rng(0).normal(0, 0.05, 12)
    found = [Record(f"c{n}", "dub", "unit_sync", "", {"unit_sync": 0.5 + value + shift}) for n, value in enumerate(noise)]
    found += [Record(f"c{n}", "source", "unit_sync", "", {"unit_sync": 0.9}) for n in range(12)]
    found += [Record(f"c{n}", "dub", "duration_ratio", "", {"duration_ratio": 1.0 + value}) for n, value in enumerate(noise)]
    for n, (heard, wanted) in enumerate(zip(texts, WANTED, strict=True)):
        errors = float(sum(one != other for one, other in zip(heard.split(), wanted.split(), strict=False)))
        figures = {"wer": errors / 4, "wer_above": errors, "wer_below": 4.0}
        said = {"recognized": heard, "wanted": wanted, "recognizer": by}
        likeness = {"chrf": 50.0, "bleu_char": 50.0, "bleu_13a": 50.0}
        found += [Record(f"c{n}", "dub", "wer", "", figures, texts=said), Record(f"c{n}", "dub", "chrf", "", likeness, texts=said)]
    folder.mkdir()
    save(folder, found)
    return folder


def test_what_differs_is_significant_and_what_does_not_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b", shift=0.1)
    found = {one.kind.name: one.difference for one in compare(first, second)[0]}
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
    by = {one.kind.name: one for one in found}
    assert by["chrf"].first == pytest.approx(100)
    assert by["chrf"].first + by["chrf"].difference.value < 90
    assert by["wer"].first == 0.0
    assert by["wer"].difference.value > 0
    assert notes == []


def test_other_recognizers_are_not_compared(tmp_path: Path) -> None:
    found, notes = compare(write_run(tmp_path / "a"), write_run(tmp_path / "b", by="unit2text"))
    assert not {"wer", "chrf"} & {one.kind.name for one in found}
    assert "wer: heard by whisper and by unit2text" in notes


def test_clips_of_one_run_only_and_failures_of_one_only_are_told(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    save(first, [Record("more", "dub", "unit_sync", "", {"unit_sync": 0.1})])
    save(second, [Record("c3", "dub", "unit_sync", "", failed="no face")])
    found, notes = compare(first, second)
    sync = next(one for one in found if one.kind.name == "unit_sync")
    assert (sync.difference.n, sync.failed) == (11, (0, 1))
    assert sync.difference.value == 0.0
    assert any(note.startswith("1 clip in") for note in notes)


@pytest.mark.parametrize(("second", "said"), [("empty", "there are no records"), ("other", "no clip in common")])
def test_what_has_nothing_to_compare_is_refused(tmp_path: Path, second: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_run(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    save(tmp_path / "other", [Record("z", "dub", "unit_sync", "", {"unit_sync": 0.1})])
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
    found = paired_bootstrap(list(VALUES), list(VALUES + 0.05 + _RNG.normal(scale=0.02, size=60)))
    assert found.is_significant
    assert found.low > 0
    assert found.value == pytest.approx(0.05, abs=0.01)
    assert bootstrap(VALUES).high - bootstrap(VALUES).low > 0.3  # it would drown in the intervals of the two


def test_chance_is_not_significant() -> None:
    sides = [np.random.default_rng(seed).normal(size=(2, 40)).tolist() for seed in range(40)]
    judged = [paired_bootstrap(first, second).is_significant for first, second in sides]
    assert sum(judged) <= 6  # one in twenty, more or less
    same = paired_bootstrap(list(VALUES), list(VALUES))
    assert (same.value, same.p, same.is_significant) == (0, 1, False)
    with pytest.raises(InputError, match="different clips"):
        paired_bootstrap([1.0], [1.0, 2.0])


Line = dict[str, object]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a manifest beside files that are not empty."""
    for name in ("a.mp4", "a_ko.mp4", "b.mp4", "b_ko.mp4", "b.wav"):
        (tmp_path / name).write_bytes(b"x")

    def write(*lines: Line) -> Path:
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        return path

    return write


A: Line = {"id": "a", "source": "a.mp4", "dub": "a_ko.mp4", "reference_text": "그  끝"}
B: Line = {"id": "b", "source": "b.mp4", "dub": "b_ko.mp4", "reference": "b.wav", "speaker": "ann", "language": "ko"}


def test_lines_become_cases(write: Write, tmp_path: Path) -> None:
    first, second = read_cases(write(A, B), ("source",))
    assert first == CaseFiles("a", tmp_path / "a_ko.mp4", tmp_path / "a.mp4", None, "그 끝", "", "ko")
    (several,) = read_cases(write({**A, "other_texts": ["저  끝", "끝"]}), ())
    assert [several.wanted(found) for found in ("저끝!", "그", "끝")] == ["저 끝", "그 끝", "끝"]
    assert (second.reference, second.speaker, second.language) == (tmp_path / "b.wav", "ann", "ko")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((A, {**B, "id": "a"}), "2 ids stand there more than once; expected one line for each id; found line 1: a; line 2: a"),
        (({**A, "dub": "x.mp4"}, {**B, "source": "y.mp4"}), "found line 1: dub"),
        (({**A, "dub": "x.mp4"}, {**B, "source": "y.mp4"}), "2 files are not there"),
        (({**A, "reference_text": " "}, {**B, "reference_text": ""}), "2 lines are no cases"),
        (({**A, "language": "es"}, B), "the languages of the dubs are mixed; expected one; found es, ko"),
        (({"id": "a", "dub": "a_ko.mp4"},), "line 1: it has no source"),
        (({**A, "sauce": "a.mp4"},), "line 1: it has sauce, which is none of"),
        (({**A, "speaker": 3},), "line 1: speaker is no text"),
        (({**A, "other_texts": "끝"},), "line 1: other_texts is no list of texts"),
        ((), "cases.jsonl"),
    ],
)
def test_what_is_wrong_is_told_at_once(write: Write, lines: tuple[Line, ...], said: str) -> None:
    with pytest.raises(InputError) as error:
        read_cases(write(*lines), ("source",))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_manifest_of_another_language_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match="of another language; expected en; found ko"):
        read_cases(write(B), (), "en")


def test_dubs_shorter_than_a_frame_are_named_together_with_those_that_are_none(tmp_path: Path) -> None:
    rate = 16_000
    write_speech(tmp_path / "short.wav", np.full(rate // 50, 0.1, np.float32))
    write_speech(tmp_path / "long.wav", np.full(rate, 0.1, np.float32))
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    cases = [CaseFiles(name, tmp_path / name) for name in ("short.wav", "long.wav", "none.mp4", "photo.png")]
    with pytest.raises(MediaError, match="3 dubs cannot be measured") as error:
        check_media(cases, tmp_path)
    assert "short.wav: 0.020 s, shorter than a frame" in str(error.value)
    assert "none.mp4" in str(error.value)
    assert "photo.png: a still image (PNG)" in str(error.value)
    assert "long.wav" not in str(error.value)


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
