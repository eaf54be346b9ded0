"""Memory that is given back, precision that `auto` becomes, and how threads wait."""

import gc
import logging
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from avcore.checkpoints.checkpoint import read_again, read_checkpoint
from avcore.compute import inference
from avcore.compute.inference import Reloadable, has_native_bfloat16, has_quick_bfloat16, resolve_precision
from avcore.compute.kernels import has_onednn
from avcore.errors import CheckpointError
from avcore.media import FrameSource
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


def test_no_decoded_frame_outlives_the_reading_of_a_stretch(tmp_path: Path, no_collection: None) -> None:
    Film(times=at_constant_rate(Fraction(25), 12), size=(64, 48)).write(tmp_path / "talk.mp4")
    gc.collect()
    source = FrameSource(tmp_path / "talk.mp4")
    for start in (4, 0, 8):
        assert sum(1 for _ in source.frames(start, start + 4)) == 4
    assert sum(isinstance(item, av.VideoFrame) and item.width == 64 for item in gc.get_objects()) == 0


class Weights:
    """Something heavy."""


def test_what_is_put_away_comes_back_unless_nobody_can_make_it() -> None:
    made: list[Weights] = []

    def load() -> Weights:
        made.append(Weights())
        return made.pop()

    first = Weights()
    gone, held = weakref.ref(first), Reloadable(first, load)
    assert held.model is first
    del first
    held.unload()
    gc.collect()
    assert gone() is None
    assert held.model is held.model
    only = Weights()
    held = Reloadable(only, None)
    held.unload()
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


CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_auto_is_float32_without_bfloat16_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(inference, "has_native_bfloat16", lambda: False)
    inference._warn_of_fallback.cache_clear()
    with caplog.at_level(logging.INFO, "netflips"):
        assert [resolve_precision("auto", CPU) for _ in range(4)] == [torch.float32] * 4
    assert [record.message for record in caplog.records if "float32" in record.message and "bfloat16" in record.message] == [
        "--precision auto: no bfloat16 instructions here (avx512_bf16 or AMX), so everything is computed in float32; a large "
        "translator's decoder is computed in 8 bits"
    ]


def test_auto_with_bfloat16_instructions(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(inference, "has_native_bfloat16", lambda: True)
    with caplog.at_level(logging.INFO, "netflips"):
        assert resolve_precision("auto", CPU) == torch.bfloat16
    assert not caplog.records
    assert resolve_precision("auto", CUDA) == torch.float16


def test_bfloat16_is_quick_where_the_device_has_instructions_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_it in (True, False):
        monkeypatch.setattr(inference, "has_native_bfloat16", lambda has_it=has_it: has_it)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has_it=has_it: has_it)
        assert [has_quick_bfloat16(one) for one in (CPU, CUDA, torch.device("mps"))] == [has_it, has_it, False]


def test_float32_on_cuda_is_not_tf32() -> None:
    torch.backends.cudnn.allow_tf32 = True  # torch's own default
    assert resolve_precision("float16", CUDA) == torch.float16
    assert torch.backends.cudnn.allow_tf32
    assert resolve_precision("float32", CUDA) == torch.float32
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_onednn_is_there_for_float32_only_when_it_is_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_onednn(torch.bfloat16) or not has_native_bfloat16()
    assert not has_onednn(torch.float64)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_onednn(torch.float32)


_THREADS = ("OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT", "OPENBLAS_NUM_THREADS")


@pytest.mark.parametrize(
    ("starter", "given", "kept"),
    [
        ("netflips", {}, "PASSIVE 4 1"),
        ("notebook", {}, "PASSIVE 4 None"),
        ("netflips", dict(zip(_THREADS, ("ACTIVE", "20", "2"), strict=True)), "ACTIVE 20 2"),
    ],
)
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(starter: str, given: dict[str, str], kept: str) -> None:
    """It is read once, when torch and numpy load, so the very first module of any room says it."""
    code = f"import sys; sys.argv = [{starter!r}]; import netflips.stages, os; print(*map(os.environ.get, {_THREADS}))"
    environment = {name: value for name, value in os.environ.items() if name not in _THREADS} | given
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == kept
