"""How far a job is: what its stages take of the whole, by experience, and the time that is left by that."""

from collections.abc import Mapping

_KNOWN: Mapping[str, tuple[float, float]] = {
    "listen": (0.02, 0.06),
    "faces": (0.05, 0.30),
    "look": (0.06, 0.30),
    "lip pictures": (0.30, 0.33),
    "encoder layers": (0.33, 0.40),
    "units": (0.30, 0.40),
    "transcribe": (0.05, 1.00),
    "translate": (0.40, 0.50),
    "speech": (0.50, 0.60),
    "lips": (0.40, 0.95),
    "portrait": (0.10, 1.00),
    "pictures": (0.60, 0.93),
    "stills before": (0.94, 0.97),
    "stills after": (0.97, 1.00),
}
"""Where a stage begins and ends, as shares of the job. Stages that a job lacks are jumped over."""
_OPEN_ENDED = 30
"""Steps after which a stage of unknown length counts as half done."""
_LEAST_SHARE, _LEAST_S = 0.05, 2.0
"""Before so much is done, the time that is left is not guessed."""


def share_of(stage: str, done: int, total: int | None, before: float) -> float:
    """The share of the job that is done, from 0 to 1, which never falls; before: what it was."""
    if stage not in _KNOWN:
        return before
    begin, end = _KNOWN[stage]
    part = done / (done + _OPEN_ENDED) if total is None else done / max(total, 1)
    return max(before, begin + (end - begin) * min(max(part, 0.0), 1.0))


def seconds_left(share: float, took_s: float) -> float | None:
    """How long the rest takes if it goes on as it went; None = too early to tell."""
    if share < _LEAST_SHARE or took_s < _LEAST_S:
        return None
    return took_s * (1 - share) / share
