"""Utterance times as files: what is written comes back, and a user's mistakes are named."""

from pathlib import Path

import pytest

from avcore.errors import InputError, UsageError
from netflips.dub.segments import read_segments, write_segments
from netflips.dub.utterances import TimedUtterance

TIMES = [TimedUtterance(1, 0.5, 2.25), TimedUtterance(2, 2.25, 9.999), TimedUtterance(3, 3725.001, 3727.0)]


@pytest.mark.parametrize("suffix", [".json", ".srt", ".SRT"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"times{suffix}"
    write_segments(path, TIMES)
    assert read_segments(path, 4000) == TIMES


def test_srt_is_as_editors_know_it(tmp_path: Path) -> None:
    write_segments(tmp_path / "x.srt", TIMES[:2])
    assert (tmp_path / "x.srt").read_text() == ("1\n00:00:00,500 --> 00:00:02,250\n[1]\n\n2\n00:00:02,250 --> 00:00:09,999\n[2]\n")


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("\ufeff7\r\n0:00:01.5 --> 0:00:02,75 X1:10\r\nHello\r\n\r\n", encoding="utf-8")
    assert read_segments(tmp_path / "a.srt", 10) == [TimedUtterance(1, 1.5, 2.75)]
    (tmp_path / "b.json").write_text('[[1, 2.5], {"start_s": 3, "end_s": 4, "speaker": "A"}]')
    assert read_segments(tmp_path / "b.json", 10) == [TimedUtterance(1, 1.0, 2.5), TimedUtterance(2, 3.0, 4.0)]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.json", "[[1, 2", "no JSON"),
        ("x.json", '{"a": 1}', "a list"),
        ("x.json", "[]", "no utterance times"),
        ("x.json", "[[1, 2, 3]]", "entry 1"),
        ("x.json", '[["1", 2]]', "entry 1"),
        ("x.json", '[{"start_s": 1}]', "entry 1"),
        ("x.json", "[[1, true]]", "entry 1"),
        ("x.json", "[[1, NaN]]", "NaN, which is no number"),
        ("x.json", "[[-1, 2]]", "entry 1"),
        ("x.json", "[[2, 2]]", "entry 1"),
        ("x.json", "[[2, 2.00001]]", "entry 1 is too short"),
        ("x.json", "[[1, 1e400]]", "too large"),
        ("x.json", f"[[1, {10**400}]]", "beyond 64 bits"),
        ("x.json", "[" * 100_000, "nested more than"),
        ("x.json", "[[1, 3], [2, 4]]", "entry 2 begins before"),
        ("x.json", "[[1, 3], [8, 11]]", "entry 2 ends behind"),
        ("x.srt", "1\n00:61:01,0 --> 00:62:02,0\n", "line 2"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_segments(path, 10)
    assert str(path) in str(caught.value)


def test_files_that_are_no_segments_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.srt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text"):
        read_segments(tmp_path / "x.srt", 10)
    with pytest.raises(InputError, match="not there"):
        read_segments(tmp_path / "y.srt", 10)
    for name in ("x.txt", "x"):
        with pytest.raises(UsageError, match=r"\.json or \.srt"):
            write_segments(tmp_path / name, TIMES)
