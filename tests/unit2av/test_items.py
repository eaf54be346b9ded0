"""Small .pt files: read as data, never run."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.errors import InputError
from avdata.published.items import read_generator, read_unit_item

CODES = [5, 5, 7]


@pytest.mark.parametrize(
    "code", [torch.tensor(CODES), torch.tensor([CODES]), torch.tensor(CODES, dtype=torch.int32), np.array(CODES)]
)
@pytest.mark.parametrize("voice", [torch.ones(4), torch.ones(1, 1, 4), np.ones(4), np.ones((1, 4), np.float32)])
def test_codes_and_voice_in_every_shape(tmp_path: Path, code: object, voice: object) -> None:
    torch.save({"code": code, "spkr": voice}, tmp_path / "x.pt")
    item = read_unit_item(tmp_path / "x.pt")
    assert (item.codes.dtype, item.codes.tolist()) == (np.int64, CODES)
    assert (item.speaker.dtype, item.speaker.shape) == (np.float32, (4,))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"code": torch.tensor(CODES)}, "keys code, spkr; found the keys code"),
        ([1, 2], "found list"),
        ({"code": torch.ones(3), "spkr": torch.ones(4)}, "whole numbers"),
        ({"code": torch.ones(2, 3, dtype=torch.int64), "spkr": torch.ones(4)}, r"found int64 of shape \[2, 3\]"),
        ({"code": "5 5 7", "spkr": torch.ones(4)}, "'code' must be a tensor; found str"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, complaint: str) -> None:
    path = tmp_path / "x.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=f"x.pt: .*{complaint}"):
        read_unit_item(path)


class Villain:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"code": Villain(trace), "spkr": torch.ones(4), "generator": Villain(trace)}, tmp_path / "x.pt")
    for read in (read_unit_item, read_generator):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "x.pt")
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"not a torch file", b"PK\x03\x04 cut short"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pt"):
        read_unit_item(tmp_path / "x.pt")


def test_a_generator_is_a_state_dict(tmp_path: Path) -> None:
    torch.save({"generator": {"a": torch.ones(2)}}, tmp_path / "g_00000001")
    assert read_generator(tmp_path / "g_00000001")["a"].tolist() == [1, 1]
    torch.save({"mpd": {}}, tmp_path / "do_00000001")
    with pytest.raises(InputError, match="found the keys mpd"):
        read_generator(tmp_path / "do_00000001")
    torch.save({"generator": 3}, tmp_path / "g_00000002")
    with pytest.raises(InputError, match="no state dict"):
        read_generator(tmp_path / "g_00000002")
