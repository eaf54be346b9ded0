"""Fifty damaged inputs with a fixed seed, and all named ones; `make fuzz` tries other seeds for an hour."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.cases import Case
from tests.fuzz.running import MOST_BYTES, Outcome
from tests.fuzz.verdict import is_silent, judge

ROOT = Path(__file__).resolve().parents[2]
SEED, CASES = 24, 50
CASE = Case("text: units", "x", ("units",), {}, ("o.txt",), words="few")
LINE = "netflips units: error: x.txt: too few units\n"


def test_named_and_damaged_inputs_are_refused_in_one_line(tmp_path: Path) -> None:
    """Both in one run, which makes its good files once."""
    table = tmp_path / "fuzz.md"
    options = ["--crafted", "--seed", str(SEED), "--cases", str(CASES), "--minutes", "20", "--table", str(table)]
    command = [sys.executable, "-m", "tests.fuzz", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    total = next(line for line in table.read_text().splitlines() if line.startswith("| all |"))
    tried, clean, accepted = (int(cell) for cell in total.split("|")[2:5])
    assert tried > CASES
    assert accepted > CASES // 10
    assert clean > tried - CASES


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", b"\n\n", "x.txt: the unit file is empty"),
        ("x.txt", b"[" * 100_000, "x.txt: token 0 is not a unit"),
        ("a" * 300, b"", "name too long"),
    ],
)
def test_a_process_of_its_own_ends_in_the_same_way(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    if content:
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "netflips.cli", "translate", "--in-unit-path", str(tmp_path / name)]
    more = ["--out-unit-path", str(tmp_path / "o.txt"), "--src-lang", "en", "--tgt-lang", "ko", "--cpu"]
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert sum(": error: " in line for line in done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert not (tmp_path / "o.txt").exists()


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome(2, LINE, ()), "clean"),
        (Outcome(2, "a warning\n" + LINE, ()), "clean"),
        (Outcome(0, "few\n", (), {"o.txt": "1"}), "accepted"),
        (Outcome(2, LINE + LINE, ()), "lines"),
        (Outcome(2, LINE + "and more\n", ()), "lines"),
        (Outcome(2, "", ()), "lines"),
        (Outcome(2, LINE.replace("few", "many"), ()), "lines"),
        (Outcome(1, LINE, ()), "unexpected"),
        (Outcome(0, "Traceback (most recent call last):\n", ()), "unexpected"),
        (Outcome(2, LINE, (".o.x1.txt",)), "leftovers"),
        (Outcome(2, LINE, (), {"o.txt": "1"}), "leftovers"),
        (Outcome(-11, "", ()), "crash"),
        (Outcome(2, LINE, (), peak=MOST_BYTES + 1), "memory"),
        (Outcome(-9, "", (), hung=True), "hang"),
    ],
)
def test_what_counts_as_a_fault(outcome: Outcome, verdict: str) -> None:
    assert judge(CASE, outcome) == verdict


def test_another_result_without_a_word_is_a_fault() -> None:
    good, other = Outcome(0, "", (), {"o.txt": "1"}), Outcome(0, "", (), {"o.txt": "2"})
    told = Outcome(0, "a warning\n", (), {"o.txt": "2"})
    telling = Case("checkpoint: .pt", "x", ("units",), {}, is_telling=True)
    assert [is_silent(telling, one, good) for one in (good, other, told)] == [False, True, False]
    assert not is_silent(CASE, other, good)
