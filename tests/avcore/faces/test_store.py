import subprocess
import sys
import textwrap

import numpy as np
import pytest

from avcore.faces.track import RowStore


def test_wrong_rows_are_refused() -> None:
    store = RowStore((2,), np.float32)
    store.append(np.zeros(2, dtype=np.float32))

    with pytest.raises(ValueError, match=r"\(2,\)"):
        store.append(np.zeros(3, dtype=np.float32))
    with pytest.raises(IndexError, match="row 1 of 1"):
        store.read([1])
    with pytest.raises(IndexError, match="row -1"):
        store.read([-1])


def test_no_room_is_said_in_one_line() -> None:
    script = """
        import resource
        import numpy as np
        from avcore.errors import OutputError
        from avcore.faces.track import RowStore
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        store = RowStore((20_000,), np.uint8)
        try:
            for _ in range(3):
                store.append(np.zeros(20_000, np.uint8))
        except OutputError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert "temporary files cannot be written; found File too large; free some space" in done.stdout
    assert done.stderr == ""
