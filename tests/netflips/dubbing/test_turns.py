"""Turns of speakers that a program finds: what is read of RTTM, where utterances end by them, and whose they are."""

import shlex
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from avcore.errors import InputError
from avcore.timeline import Interval
from netflips.dubbing.divide import Turn, changes, read_rttm, speaker_in, split_at
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models

RTTM = """Loading
SPEAKER talk 1 4.00 3.00 <NA> <NA> SPEAKER_01 <NA> <NA>
SPEAKER talk 1 0.50 3.10 <NA> <NA> SPEAKER_00 <NA> <NA>
SPEAKER talk 1 5.00 0.30 <NA> <NA> SPEAKER_00 <NA> <NA>
"""


def test_turns_are_read_and_part_what_is_said() -> None:
    turns = read_rttm(RTTM, 10, "program")
    assert turns == (Turn(0.5, 3.6, "SPEAKER_00"), Turn(4.0, 7.0, "SPEAKER_01"), Turn(5.0, 5.3, "SPEAKER_00"))
    assert changes(turns, [(0.5, 7.0)]) == [3.8]  # nobody stops for what is put in
    assert changes(turns, [(0.5, 3.7), (3.9, 7.0)])[0] in (3.7, 3.9)
    assert split_at([(0.5, 3.0), (3.1, 7.0)], [3.8]) == [(0.5, 3.0), (3.1, 3.8), (3.8, 7.0)]
    assert [speaker_in(Interval(*place), turns) for place in ((3, 4.5), (3, 5), (8, 9))] == ["SPEAKER_00", "SPEAKER_01", ""]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "wrote no turns"),
        ("SPEAKER talk 1 0.5 1.0 <NA>", "line 1"),
        ("SPEAKER talk 1 0.5 nan <NA> <NA> a <NA> <NA>", "line 1"),
        ("SPEAKER talk 1 9.5 9.0 <NA> <NA> a <NA> <NA>", "line 1"),
        ("SPEAKER talk 1 0.5 1.0 <NA> <NA> " + 99 * "a", "line 1"),
    ],
)
def test_turns_that_cannot_be_are_one_line(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_rttm(text, 10, "program")


def test_slivers_are_no_turns_and_touching_turns_are_one() -> None:
    """20,000 turns at all: as many utterances would take hours."""
    row = "SPEAKER x 1 {:.5f} {:.5f} <NA> <NA> {} <NA> <NA>"
    pieces = "\n".join(row.format(0.18 * number, 0.18, "ab"[number // 10000]) for number in range(20000))
    assert read_rttm(pieces, 3600, "x") == (Turn(0, pytest.approx(1800), "a"), Turn(pytest.approx(1800), pytest.approx(3600), "b"))
    turns = read_rttm("\n".join(row.format(0.18 * number, 0.5, "abcdefg"[number % 7]) for number in range(19990)), 3600, "x")
    assert min(after - time for time, after in pairwise(changes(turns, [(0, 1000.0), (1001.0, 3600.0)]))) >= 0.2
    slivers = "\n".join(row.format(2.4 * number / 20000, 0.0001, number % 2000) for number in range(20000))
    with pytest.raises(
        InputError, match=r"no turn that is long enough; expected 0\.2 s or more; found 20000 turns of 0\.000 s at most"
    ):
        read_rttm(slivers, 2.4, "x")


def test_a_program_says_who_speaks_once(recording: Path, models: Models, settings: DubOptions, tmp_path: Path, work: Path) -> None:
    program = tmp_path / "turns.py"
    program.write_text(
        "import sys, wave\nfrom pathlib import Path\nassert wave.open(sys.argv[1]).getframerate() == 16000\n"
        "row = 'SPEAKER x 1 {} {} <NA> <NA> {} <NA> <NA>'\n"
        "text = '\\n'.join([row.format(0, 1.5, 'Ann'), row.format(1.5, 10.4, 'Ben')])\n"
        "print(text) if len(sys.argv) < 3 else Path(sys.argv[2]).write_text(text)\n"
        "Path(__file__).with_suffix('.runs').open('a').write('.')\n",
        encoding="utf-8",
    )
    for places, runs in ((("{in}", "{out}"), "."), (("{in}", "{out}"), "."), (("{in}",), "..")):
        command = shlex.join([sys.executable, str(program), *places])
        asked = replace(settings, diarize_with=command, work_dir=work, draft=tmp_path / "draft.json")
        told = dub(recording, tmp_path / "x.mp4", models, asked).utterances
        assert [one.speaker for one in told if one.place.end_s <= 1.5] == ["Ann"]
        assert {one.speaker for one in told if one.place.start_s >= 1.5} == {"Ben"}
        assert 1.5 in [one.place.end_s for one in told]
        assert program.with_suffix(".runs").read_text() == runs
