"""Precision: what `auto` becomes, and that float32 is float32; how threads wait."""

import logging
import os
import subprocess
import sys

import pytest
import torch

from avcore.compute import inference
from avcore.compute.inference import has_native_bfloat16, has_quick_bfloat16, resolve_precision
from avcore.compute.kernels import has_onednn

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_auto_without_bfloat16_instructions_is_float32_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inference, "has_native_bfloat16", lambda: False)
    inference._tell_of_fallback.cache_clear()
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


@pytest.mark.parametrize(
    ("given", "kept"), [({}, "PASSIVE 4"), ({"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_THREAD_TIMEOUT": "20"}, "ACTIVE 20")]
)
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(given: dict[str, str], kept: str) -> None:
    """It is read once, when torch and numpy load, so the very first module of any room says it."""
    names = ("OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT")
    code = f"import netflips.stages, os; print(*(os.environ[name] for name in {names}))"
    environment = {name: value for name, value in os.environ.items() if name not in names} | given
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == kept
