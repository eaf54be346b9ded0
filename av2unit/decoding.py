"""From the scores of the classes at each step to one class a step: a setting stored with the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError

Scores = NDArray[np.float32]
Classes = NDArray[np.int64]

ARGMAX = "argmax"
VITERBI = "viterbi"


@dataclass(frozen=True)
class Decoding:
    """The choice of classes: the best of each step, as published, or the best path with a price on each change."""

    method: str = ARGMAX
    duration_penalty: float = 0.0
    """Log-probability that each change of unit costs; used by viterbi."""

    @classmethod
    def from_config(cls, stored: Mapping[str, Any] | None, path: Path | None = None) -> "Decoding":
        """Read the setting of a checkpoint's configuration, None = as published. Raises CheckpointError."""
        if stored is not None and not isinstance(stored, Mapping):
            raise CheckpointError("the decoding of units cannot be read", path=path, expected="method and penalty", found=stored)
        stored = stored or {}
        method, penalty = stored.get("method", ARGMAX), stored.get("duration_penalty", 0.0)
        if method not in (ARGMAX, VITERBI):
            raise CheckpointError("unknown decoding of units", path=path, expected=f"{ARGMAX} or {VITERBI}", found=method)
        if isinstance(penalty, bool) or not isinstance(penalty, int | float) or not penalty >= 0:
            raise CheckpointError("the duration penalty cannot be used", path=path, expected="a number, 0 or more", found=penalty)
        return cls(method, float(penalty))


def decode(logits: Scores, decoding: Decoding) -> Classes:
    """Choose a class for each step.

    logits: float32 [steps, classes], -inf for a class that may not be chosen. Returns int64 [steps].
    """
    if decoding.method == ARGMAX:
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)
    return viterbi(log_probabilities(logits), decoding.duration_penalty)


def chosen_log_probabilities(logits: Scores, classes: Classes) -> Scores:
    """Return the log-probability of the chosen class at each step: of float32 [steps, classes] and int64 [steps], float32
    [steps]."""
    return np.take_along_axis(log_probabilities(logits), classes[:, None], axis=1)[:, 0]


def viterbi(log_probs: Scores, duration_penalty: float) -> Classes:
    """Find the path with the largest sum of log-probabilities less `duration_penalty` for each change of class.

    Duration-penalised dynamic programming (Kamper and van Niekerk 2021) with a constant price. A change costs the same
    from anywhere, so each step needs only the best class of the step before: O(steps * classes). Equal paths: the one
    that stays longer. log_probs: float32 [steps, classes]. Returns int64 [steps].
    """
    num_steps, num_classes = log_probs.shape
    best_before = np.zeros(num_steps, dtype=np.int64)
    has_changed = np.zeros((num_steps, num_classes), dtype=bool)
    total = np.zeros(num_classes)
    for step in range(num_steps):
        best_before[step] = total.argmax()
        after_change = total[best_before[step]] - duration_penalty
        has_changed[step] = total < after_change
        total = np.maximum(total, after_change) + log_probs[step]
    path = np.zeros(num_steps, dtype=np.int64)
    current = int(total.argmax()) if num_steps else 0
    for step in range(num_steps - 1, -1, -1):
        path[step] = current
        if has_changed[step, current]:
            current = int(best_before[step])
    return path


def log_probabilities(logits: Scores) -> Scores:
    """Normalise each row, float32 [steps, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: Scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
