"""Parts of a corpus for the tasks of an array: each id in one, and a folder keeps their number."""

from pathlib import Path

import pytest

from avcore.errors import InputError, UsageError
from avcore.parts import PARTS_FILE, Part, folder_of, parts_in, require_parts
from tests.refusal import refused


def test_each_id_is_in_one_part_whatever_others_there_are() -> None:
    names = [f"et_a_{number:04d}" for number in range(1000)]
    parts = [Part.of(f"{index}/16") for index in range(16)]
    assert all(sum(part.has(name) for part in parts) == 1 for name in names)
    assert all(40 < sum(part.has(name) for name in names) < 90 for part in parts)
    assert str(parts[3]) == "3/16"


@pytest.mark.parametrize("text", ["16/16", "3", "-1/4", "a/4", "1/0", "1/"])
def test_what_is_no_part_is_refused(text: str) -> None:
    refused(UsageError, "this is no part; expected K/N", Part.of, text)


def test_a_folder_keeps_its_number_of_parts(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    assert folder_of(Part(3, 16), folder) == folder / "part03"
    assert folder_of(Part(15, 16), folder) == folder / "part15"
    with pytest.raises(UsageError, match=r"another number of parts; expected --part K/16; found --part 0/2; .* PARTS=N sbatch"):
        folder_of(Part(0, 2), folder)
    refused(InputError, "expected all 16; found not 3,7; PARTS=16 sbatch --array=3,7", require_parts, folder, [3, 7])
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "ko.jsonl").write_text("")
    refused(UsageError, "expected no --part", folder_of, Part(0, 2), tmp_path / "whole")
    (folder / PARTS_FILE).write_text("[]")
    refused(InputError, "the number of parts cannot be read", parts_in, folder)
