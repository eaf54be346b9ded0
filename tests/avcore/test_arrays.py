"""numpy's files are read without believing their headers."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from av2unit.sources import map_lips
from avcore.arrays import load_array, load_arrays
from avcore.errors import InputError
from avcore.statistics import share
from tests.refusal import refused


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
        assert "\n" not in refused(InputError, "the rows cannot be read", read)
    refused(InputError, "the lips cannot be read", map_lips, _claiming(tmp_path / "lips.npy", (4 * 10**10, 96, 96), "|u1"))


def test_what_is_no_array_or_would_be_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    for content in (path.read_bytes(), b"no array", b"\x93NUMPY\x01\x00\x10\x00{'descr': 1/0}    ", b"\x93NUMPY\x09\x00"):
        path.write_bytes(content)
        refused(InputError, "the rows cannot be read", load_array, path, "the rows")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(1000))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content.replace((1000).to_bytes(4, "little"), (0xFFFF_FF00).to_bytes(4, "little")))
    refused(InputError, "the voices cannot be read", load_arrays, tmp_path / "a.npz", "the voices")


def test_wilson_interval() -> None:
    figure = share([True] * 190 + [False] * 10)  # figures of Wilson's formula worked out by hand
    assert figure.value == pytest.approx(0.95)
    assert (figure.low, figure.high) == pytest.approx((0.9104, 0.9726), abs=2e-4)
    assert share([True] * 200).low == pytest.approx(0.9812, abs=2e-4)
    assert share([True] * 200).high == pytest.approx(1)
    assert share([False] * 4).low == pytest.approx(0, abs=1e-12)
