"""Manifests of evaluations, and the intervals and differences of figures."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import bootstrap as scipys

from avcore.errors import InputError, MediaError
from avcore.media import write_speech
from avcore.statistics import bootstrap, paired_bootstrap
from netflips.evaluate.cases import CaseFiles, check_media, read_cases
from tests.refusal import refused

_RNG = np.random.default_rng(5)
VALUES = _RNG.gamma(2.0, 1.0, size=60)


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    found = bootstrap(VALUES)
    theirs = scipys((VALUES,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert (found.value, found.low) == (pytest.approx(VALUES.mean()), pytest.approx(theirs.low, abs=0.04))
    assert (found.high, found.n) == (pytest.approx(theirs.high, abs=0.04), 60)
    assert bootstrap(VALUES) == found


def test_one_clip_says_nothing_of_others_and_none_is_an_error() -> None:
    alone = bootstrap([0.5])
    assert (alone.value, alone.n) == (0.5, 1)
    assert np.isnan([alone.low, alone.high]).all()
    refused(InputError, "nothing to measure", bootstrap, [])
    refused(InputError, "nothing to measure", bootstrap, [1.0], [0.0])


def test_a_small_gain_on_every_clip_is_significant() -> None:
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
    refused(InputError, "different clips", paired_bootstrap, [1.0], [1.0, 2.0])


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
    message = refused(InputError, "", read_cases, write(*lines), ("source",))
    assert said in message
    assert "\n" not in message


def test_a_manifest_of_another_language_is_refused(write: Write) -> None:
    refused(InputError, "of another language; expected en; found ko", read_cases, write(B), (), "en")


def test_dubs_shorter_than_a_frame_are_named_with_missing_ones(tmp_path: Path) -> None:
    rate = 16_000
    write_speech(tmp_path / "short.wav", np.full(rate // 50, 0.1, np.float32))
    write_speech(tmp_path / "long.wav", np.full(rate, 0.1, np.float32))
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    cases = [CaseFiles(name, tmp_path / name) for name in ("short.wav", "long.wav", "none.mp4", "photo.png")]
    message = refused(MediaError, "3 dubs cannot be measured", check_media, cases, tmp_path)
    assert "short.wav: 0.020 s, shorter than a frame" in message
    assert "none.mp4" in message
    assert "photo.png: a still image (PNG)" in message
    assert "long.wav" not in message
