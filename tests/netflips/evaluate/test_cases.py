"""Manifests of evaluations: what is read, and what is refused, all of a kind at once."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avcore.errors import InputError, MediaError
from avcore.media import write_speech
from netflips.evaluate.cases import CaseFiles, check_media, read_cases

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


def test_dubs_shorter_than_a_picture_are_named_together_with_those_that_are_none(tmp_path: Path) -> None:
    rate = 16_000
    write_speech(tmp_path / "short.wav", np.full(rate // 50, 0.1, np.float32))
    write_speech(tmp_path / "long.wav", np.full(rate, 0.1, np.float32))
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    cases = [CaseFiles(name, tmp_path / name) for name in ("short.wav", "long.wav", "none.mp4", "photo.png")]
    with pytest.raises(MediaError, match="3 dubs cannot be measured") as error:
        check_media(cases, tmp_path)
    assert "short.wav: 0.020 s, shorter than a picture" in str(error.value)
    assert "none.mp4" in str(error.value)
    assert "photo.png: a single picture (PNG)" in str(error.value)
    assert "long.wav" not in str(error.value)
