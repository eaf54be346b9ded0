"""Networks in ONNX files that take sound, run by onnxruntime on one thread: models of the user's own."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Samples
from avcore.errors import CheckpointError, InputError, UsageError
from avcore.texts import read_json
from avcore.timeline import SAMPLE_RATE

_SETTINGS, _VECTORS = "preprocessor_config.json", "embeddings"
"""File beside an exported network with the settings of its input; name of the output that is the voice vector."""


@dataclass(frozen=True)
class SoundSettings:
    """The sound that a network takes."""

    rate: int | None = None
    """sample rate in Hz; None = not stated"""
    is_normalised: bool = False
    """whether the sound is scaled to mean 0 and variance 1"""

    def prepared(self, speech: Samples) -> Samples:
        """Return float32 [S] as the network takes it, at the same rate."""
        # 1e-7 as in the feature extractors of transformers, whose settings these are.
        return (speech - speech.mean()) / np.sqrt(speech.var() + 1e-7) if self.is_normalised else speech


def sound_settings(folder: Path, what: str) -> SoundSettings:
    """Read the settings that Hugging Face's optimum writes beside a network; defaults for those that are missing.

    what: the model, for messages. Raises InputError for a file that cannot be read.
    """
    file = folder / _SETTINGS
    content = read_json(file, f"{what}'s settings") if file.is_file() else {}
    if not isinstance(content, dict):
        raise InputError(f"{what}'s settings cannot be read", path=file, expected="an object")
    rate = content.get("sampling_rate")
    if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or rate < 1):
        raise InputError(f"{what}'s sample rate cannot be read", path=file, expected=f"Hz, such as {SAMPLE_RATE}", found=rate)
    return SoundSettings(rate, content.get("do_normalize") is True)


@cache
def open_network(path: Path, what: str) -> Any:
    """Return an onnxruntime session on one thread. Raises CheckpointError for other files, UsageError without onnxruntime."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        hint = 'pip install "netflips[judges]"'
        raise UsageError(f"{what} needs onnxruntime", found="it is not installed", hint=hint) from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class of their own
        raise CheckpointError("this is no ONNX file", path=path, found=str(error).splitlines()[0]) from error


def answer(network: Any, given: NDArray[np.float32], path: Path, what: str) -> Floats:
    """Run a network on one input, float32 [1, ...], and return its embeddings, else its first output, as float32 [N].

    Raises CheckpointError naming the file where the network does not take such an input.
    """
    names = [one.name for one in network.get_outputs()]
    wanted = _VECTORS if _VECTORS in names else names[0]
    try:
        found = network.run([wanted], {network.get_inputs()[0].name: np.ascontiguousarray(given, np.float32)})[0]
        return np.asarray(found, np.float32).ravel()
    except Exception as error:
        expected, reason = f"float32 {list(given.shape)}", str(error).splitlines()[0]
        raise CheckpointError(f"{what} does not take sound", path=path, expected=expected, found=reason) from error
