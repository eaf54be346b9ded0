"""numpy's files are read without believing their headers."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from av2unit.sources import map_lips
from avcore.arrays import load_array, load_arrays
from avcore.errors import InputError
from unit2av.speakers.voice_of import read_voice


def _claiming(path: Path, shape: tuple[int, ...], kind: str = "<f4") -> Path:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
        file.write(bytes(64))
    return path


def test_arrays_come_back(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", rows)
    np.savez(tmp_path / "a.npz", rows=rows)
    assert np.array_equal(load_array(tmp_path / "a.npy", "the rows"), rows)
    assert np.array_equal(load_array(tmp_path / "a.npy", "the rows", is_mapped=True), rows)
    assert np.array_equal(load_arrays(tmp_path / "a.npz", "the rows")["rows"], rows)


@pytest.mark.parametrize("shape", [(10**11,), (10**30,), (2**62, 2**62), (-1,)])
def test_more_numbers_than_bytes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = _claiming(tmp_path / "a.npy", shape)
    for read in (lambda: load_array(path, "the rows"), lambda: load_array(path, "the rows", is_mapped=True)):
        with pytest.raises(InputError, match="the rows cannot be read") as caught:
            read()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="the lips cannot be read"):
        map_lips(_claiming(tmp_path / "lips.npy", (4 * 10**10, 96, 96), "|u1"))


@pytest.mark.parametrize("content", [b"no array", b"\x93NUMPY\x01\x00\x10\x00{'descr': 1/0}    ", b"\x93NUMPY\x09\x00"])
def test_what_is_no_array(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match="the rows cannot be read"):
        load_array(path, "the rows")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="the rows cannot be read"):
        load_array(tmp_path / "a.npy", "the rows")


def test_an_archive_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(1000))
    content = path.read_bytes()
    size = (1000).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (0xFFFF_FF00).to_bytes(4, "little")))
    with pytest.raises(InputError, match="the voices cannot be read"):
        load_arrays(path, "the voices")


def test_a_voice_of_absurd_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for value in (1e38, np.nan, np.inf):
        np.save(path, np.full(256, value, np.float32))
        with pytest.raises(InputError, match="this is no speaker vector; expected numbers up to 1000") as caught:
            read_voice(path, lambda: pytest.fail("no encoder is needed"))
        assert str(path) in str(caught.value)
