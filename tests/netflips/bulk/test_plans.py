"""Plans of long corpora: memory does not hold all rows."""

import json
import subprocess
import sys
from pathlib import Path

from avdata.manifest import Entry
from netflips.bulk.store import NOWHERE, Places
from tests.netflips.bulk.planned import write_corpus

_ROWS = 50_000
_MOST_BYTES_A_ROW = 300


def test_long_corpora_are_planned_in_little_memory(tmp_path: Path) -> None:
    write_corpus(tmp_path, _ROWS)
    run = subprocess.run(
        [sys.executable, "-m", "tests.netflips.bulk.planned", str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = json.loads(run.stdout)
    assert told["shards"] == _ROWS / 1000
    assert told["tasks"] > told["shards"]
    assert (told["peak_mib"] - told["before_mib"]) * 2**20 < _ROWS * _MOST_BYTES_A_ROW
    plan = (tmp_path / "out" / "plan.jsonl").read_text().splitlines()
    assert sum(len(json.loads(line)["ids"]) for line in plan) == _ROWS


def test_places_of_one_hash_are_told_apart() -> None:
    one, other = 2**61 - 1, 0  # hash() of both is 0

    class Name(int):
        """Stands for an id; text of one hash is not to be had."""

    entries = [Entry(Name(value)) for value in (5, one, 7, other)]  # type: ignore[arg-type]
    found = Places(entries).find([Name(other), Name(one), Name(6), Name(5)])  # type: ignore[list-item]
    assert found.tolist() == [3, 1, NOWHERE, 0]
