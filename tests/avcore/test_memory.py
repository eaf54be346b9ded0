"""Freed memory stays with the process, or is given back. What is put away comes back when it is asked for."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from avcore.checkpoints.checkpoint import read_again, read_checkpoint
from avcore.compute.inference import Reloadable
from avcore.errors import CheckpointError
from avcore.media import PictureSource
from tests.avcore.media_samples import Film, at_constant_rate
from unit2unit.stage import TRANSLATOR

_SCRIPT = """
import resource, sys
import numpy as np
from avcore.compute.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(3):
    np.ones(6_000_000)  # 48 MB, freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(6_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_pages_are_asked_for_once() -> None:
    faults = {
        way: int(subprocess.run([sys.executable, "-c", _SCRIPT, way], check=True, capture_output=True).stdout)
        for way in ("keep", "give")
    }
    assert faults["keep"] < 100 < faults["give"]


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Only what nothing refers to any more is freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def num_decoded_frames() -> int:
    return sum(isinstance(item, av.VideoFrame) and item.width == 64 for item in gc.get_objects())


def test_no_decoded_frame_outlives_the_reading_of_a_stretch(tmp_path: Path, no_collection: None) -> None:
    Film(times=at_constant_rate(Fraction(25), 12), size=(64, 48)).write(tmp_path / "talk.mp4")
    gc.collect()
    source = PictureSource(tmp_path / "talk.mp4")
    for start in (4, 0, 8):
        assert sum(1 for _ in source.pictures(start, start + 4)) == 4
    assert num_decoded_frames() == 0


class Weights:
    """Something heavy."""


def test_what_is_put_away_is_loaded_when_it_is_needed_and_what_nobody_can_make_again_stays() -> None:
    made: list[Weights] = []

    def load() -> Weights:
        made.append(Weights())
        return made.pop()

    first = Weights()
    gone, held = weakref.ref(first), Reloadable(first, load)
    assert held.model is first
    del first
    held.put_away()
    gc.collect()
    assert gone() is None
    assert held.model is held.model
    only = Weights()
    held = Reloadable(only, None)
    held.put_away()
    assert held.model is only


_RELEASE = """
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
    held, left = map(int, subprocess.run([sys.executable, "-c", _RELEASE], check=True, capture_output=True).stdout.split())
    assert held > 40_000_000 > 10_000_000 > left


def test_a_file_that_was_replaced_is_refused(parity_dir: Path) -> None:
    checkpoint = read_checkpoint(parity_dir / "utut_ko.pt", TRANSLATOR)
    assert read_again(checkpoint.path, TRANSLATOR, checkpoint.fingerprint).fingerprint == checkpoint.fingerprint
    with pytest.raises(CheckpointError, match="replaced while it was in use"):
        read_again(checkpoint.path, TRANSLATOR, "sha256:other")
