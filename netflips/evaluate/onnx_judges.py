"""Networks that listen, in ONNX: a file of the user's own, or a folder with one, as Hugging Face's optimum exports it."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from avcore.arrays import Floats, Samples
from avcore.errors import CheckpointError, InputError, UsageError
from avcore.files import require_file
from avcore.texts import read_json
from avcore.timeline import SAMPLE_RATE

_SETTINGS, _VECTORS = "preprocessor_config.json", "embeddings"
"""Beside an exported network stands how its input is prepared; of its outputs this one is the voice vector."""


@cache
def onnx_file(path: Path) -> Path:
    """Return the network of `--judge`: the file itself, or of a folder its only .onnx file or its only model.onnx.

    Raises InputError for a path that is not there, and for a folder in which none or several may be meant.
    """
    if not path.is_dir():
        return require_file(path, "the judge")
    found = sorted(path.rglob("*.onnx"))
    meant = [one for one in found if one.name == "model.onnx"] or found
    if len(meant) != 1:
        names = ", ".join(str(one.relative_to(path)) for one in found[:4]) or "none"
        raise InputError("the judge's folder cannot be used", path=path, expected="one .onnx file, or one model.onnx", found=names)
    return meant[0]


def asked(path: Path, speech: Samples) -> Floats:
    """Return what a network answers to speech float32 [S] at 16 kHz, given as [1, S]: its embeddings, else its first output, as
    float32 [N].

    path: a file, or a folder as `onnx_file` takes it. Raises CheckpointError for a file that is no such network, InputError for
    such a folder and for settings of another sample rate, UsageError where onnxruntime is not installed.
    """
    network, file = opened(onnx_file(path)), path / _SETTINGS
    content = read_json(file, "the judge's settings") if file.is_file() else {}
    if not isinstance(content, dict):
        raise InputError("the judge's settings cannot be read", path=file, expected="an object")
    if (rate := content.get("sampling_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        raise InputError("the judge takes sound of another rate", path=file, expected=f"{SAMPLE_RATE} Hz", found=rate)
    if content.get("do_normalize") is True:  # to mean 0 and variance 1
        speech = (speech - speech.mean()) / np.sqrt(speech.var() + 1e-7)
    names = [one.name for one in network.get_outputs()]
    wanted = _VECTORS if _VECTORS in names else names[0]
    try:
        answer = network.run([wanted], {network.get_inputs()[0].name: np.ascontiguousarray(speech[None], np.float32)})[0]
        return np.asarray(answer, np.float32).ravel()
    except Exception as error:  # onnxruntime's errors have no common class of their own
        raise CheckpointError(
            "the judge does not take sound", path=path, expected="float32 [1, S]", found=str(error).splitlines()[0]
        ) from error


@cache
def opened(path: Path) -> Any:
    """Return a session on one thread. Raises CheckpointError or UsageError."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UsageError(
            "the judge needs onnxruntime", found="it is not installed", hint='pip install "netflips[judges]"'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CheckpointError("this is no ONNX file", path=path, found=str(error).splitlines()[0]) from error
