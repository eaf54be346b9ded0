"""Freed memory stays with the process.

What stays in memory when a video is read again and again, as it is when footage is played backwards.
"""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.media import PictureSource, VideoWriter

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


def write_clip(path: Path) -> None:
    with VideoWriter(path, 64, 48, 25, preset="ultrafast") as writer:
        for k in range(12):
            writer.write_picture(np.full((48, 64, 3), 20 * k, dtype=np.uint8))


def num_decoded_frames() -> int:
    return sum(isinstance(item, av.VideoFrame) and item.width == 64 for item in gc.get_objects())


def test_no_decoded_frame_outlives_the_reading_of_a_stretch(tmp_path: Path, no_collection: None) -> None:
    write_clip(tmp_path / "talk.mp4")
    gc.collect()
    source = PictureSource(tmp_path / "talk.mp4")
    for start in (4, 0, 8):
        assert sum(1 for _ in source.pictures(start, start + 4)) == 4
    assert num_decoded_frames() == 0
