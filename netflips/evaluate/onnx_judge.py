"""Judges that come as an ONNX file, which is data and no program: sound in, a number or a vector out."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from avcore.arrays import Floats, Samples
from avcore.errors import CheckpointError, UsageError


def asked(path: Path, speech: Samples) -> Floats:
    """What a network answers to speech float32 [S] at 16 kHz, given as [1, S]: its first output, float32 [N].

    Raises CheckpointError for a file that is no such network, UsageError where onnxruntime is not installed.
    """
    network = opened(path)
    try:
        answer = network.run(None, {network.get_inputs()[0].name: np.ascontiguousarray(speech[None], np.float32)})[0]
        return np.asarray(answer, np.float32).ravel()
    except Exception as error:  # onnxruntime's errors have no common class of their own
        raise CheckpointError(
            "the judge does not take sound", path=path, expected="float32 [1, S]", found=str(error).splitlines()[0]
        ) from error


@cache
def opened(path: Path) -> Any:
    """A session on one thread. Raises CheckpointError or UsageError."""
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
