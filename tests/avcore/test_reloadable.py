"""What is put away is gone, and comes back when it is asked for."""

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from avcore.checkpoints.checkpoint import read_again, read_checkpoint
from avcore.compute.modules import Reloadable
from avcore.errors import CheckpointError
from unit2unit.stage import TRANSLATOR


class Weights:
    """Something heavy."""


def test_what_is_put_away_is_loaded_when_it_is_needed() -> None:
    made: list[Weights] = []

    def load() -> Weights:
        made.append(Weights())
        return made.pop()

    first = Weights()
    gone, held = weakref.ref(first), Reloadable(first, load)
    assert held.value is first
    del first
    held.put_away()
    gc.collect()
    assert gone() is None
    assert held.value is held.value


def test_what_nobody_can_make_again_stays() -> None:
    only = Weights()
    held = Reloadable(only, None)
    held.put_away()
    assert held.value is only


_SCRIPT = """
import sys
import numpy as np
from avcore.compute.memory import keep_freed_memory, release_freed_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

assert keep_freed_memory()
before = resident()
kept = [np.ones(6_000_000)]
kept.append(np.ones(100))  # on top of the heap, so that only what lies below it is free
del kept[0]
held = resident() - before
assert release_freed_memory()
print(held, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_given_back_when_asked() -> None:
    held, left = map(int, subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True).stdout.split())
    assert held > 40_000_000 > 10_000_000 > left


def test_a_file_that_was_replaced_is_refused(parity_dir: Path) -> None:
    checkpoint = read_checkpoint(parity_dir / "utut_ko.pt", TRANSLATOR)
    assert read_again(checkpoint.path, TRANSLATOR, checkpoint.fingerprint).fingerprint == checkpoint.fingerprint
    with pytest.raises(CheckpointError, match="replaced while it was in use"):
        read_again(checkpoint.path, TRANSLATOR, "sha256:other")
