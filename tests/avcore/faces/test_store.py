import resource

import numpy as np
import pytest

from avcore.errors import OutputError
from avcore.faces.store import RowStore


def test_rows_come_back_in_the_order_asked_for() -> None:
    store = RowStore((4, 3), np.uint8)
    rows = np.random.default_rng(0).integers(0, 256, (10, 4, 3), dtype=np.uint8)

    numbers = [store.append(row) for row in rows]

    assert numbers == list(range(len(store))) == list(range(10))
    np.testing.assert_array_equal(store.read([7, 0, 7]), rows[[7, 0, 7]])
    store.append(rows[0])
    np.testing.assert_array_equal(store.read([10, 9]), rows[[0, 9]])
    assert store.read([]).shape == (0, 4, 3)


def test_wrong_rows_are_refused() -> None:
    store = RowStore((2,), np.float32)
    store.append(np.zeros(2, dtype=np.float32))

    with pytest.raises(ValueError, match=r"\(2,\)"):
        store.append(np.zeros(3, dtype=np.float32))
    with pytest.raises(IndexError, match="row 1 of 1"):
        store.read([1])
    with pytest.raises(IndexError, match="row -1"):
        store.read([-1])


def test_a_full_disk_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = RowStore((1 << 20,), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OutputError, match="a temporary file cannot be written; found File too large; make room there"):
            rows.append(np.zeros(1 << 20, np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
