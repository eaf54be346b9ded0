"""What some runs of the shipped bundle write is what they wrote before (see `tests.golden`)."""

import json
from pathlib import Path

import pytest

from tests import golden


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return golden.write_material(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", golden.TESTED)
def test_a_run_leaves_the_marks_that_are_kept(name: str, material: dict[str, Path], tmp_path: Path) -> None:
    kept = json.loads(golden.KEPT.read_text(encoding="utf-8"))
    found = golden.anywhere(golden.take(name, material, tmp_path))
    differences = list(golden.differences(kept[name], json.loads(json.dumps(found)), name))
    assert not differences, "if that is meant: python -m tests.golden renew"
