"""From which row a vocoder counts its units: unit name + offset = row of its table.

The published vocoders keep unit n in row n. A vocoder trained on raw class numbers of the unit encoder, whose first four
classes are no units, keeps unit n in row n + 4. Which of the two it is can be seen in a table with spare rows: rows that
no training example used keep their random start, shrunk by weight decay, and all have much the same norm.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from avcore.errors import UsageError
from avcore.notes import NoteKind, tell

LOG = logging.getLogger(__name__)

OffsetSetting = int | Literal["auto"]

NUM_NAMES = 1000
"""Unit names 0..999 of the published quantizer."""
NUM_SPECIALS = 4
"""Classes of the unit encoder that come before the first unit."""
_FEWEST_SPARE_ROWS = 8
_MARGIN = math.log(10_000)
"""Odds that the table must show for one of the two."""
_ROW_LIMIT = 3.0
"""No single row counts for more than e^3 : 1, so that one odd row decides nothing."""
_LEAST_SPREAD = 0.01

_OPEN = NoteKind(
    "vocoder_offset",
    f"the '{{language}}' vocoder has {{rows}} unit rows and does not show whether it counts units from 0 or from {NUM_SPECIALS}; "
    "taking 0",
    f"'{{language}}' 음성 모델의 유닛 번호가 0부터인지 {NUM_SPECIALS}부터인지 알 수 없어 0으로 읽었습니다.",
    f" (--vocoder-unit-offset {NUM_SPECIALS} if the speech is wrong)",
)


@dataclass(frozen=True)
class OffsetEstimate:
    """What a table shows: its offset, whether that is clear, and the log odds of shifted against unshifted."""

    offset: int
    is_decided: bool
    log_odds: float = 0.0


def estimate_unit_offset(table: Tensor) -> OffsetEstimate:
    """Tell from a unit table, float of shape [rows, dim], whether unit n is in row n or in row n + 4.

    Rows 1004 and up are unused either way (group A), rows 4..999 used either way (group B). Shifted, rows 0..3 are like A
    and 1000..1003 like B; unshifted it is the other way round. The statistic is the likelihood ratio of these two, with
    normal distributions fitted to the log norms of A and B (the spread of A at least that of Gaussian rows,
    1 / sqrt(2 dim)), each row limited to e^3. It is decided when the odds are 10,000 : 1 or more and both groups of four
    rows point the same way; else the offset is 0 and undecided. An untrained table has odds near 1.
    """
    rows = table.shape[0]
    if rows < NUM_NAMES + NUM_SPECIALS:
        return OffsetEstimate(0, is_decided=True)
    if rows < NUM_NAMES + NUM_SPECIALS + _FEWEST_SPARE_ROWS:
        return OffsetEstimate(0, is_decided=False)
    log_norms = torch.linalg.vector_norm(table.detach().double(), dim=1).log()
    if not bool(torch.isfinite(log_norms).all()):
        return OffsetEstimate(0, is_decided=False)
    unused, used = log_norms[NUM_NAMES + NUM_SPECIALS :], log_norms[NUM_SPECIALS:NUM_NAMES]
    like_unused = _normal(unused, least_spread=1 / math.sqrt(2 * table.shape[1]))
    like_used = _normal(used, least_spread=_LEAST_SPREAD)

    first, last = (
        float((_log_density(group, like_unused) - _log_density(group, like_used)).clamp(-_ROW_LIMIT, _ROW_LIMIT).sum())
        for group in (log_norms[:NUM_SPECIALS], log_norms[NUM_NAMES : NUM_NAMES + NUM_SPECIALS])
    )
    log_odds = first - last
    is_decided = abs(log_odds) >= _MARGIN and first * last < 0
    return OffsetEstimate(NUM_SPECIALS if is_decided and log_odds > 0 else 0, is_decided, log_odds)


def resolve_unit_offset(setting: OffsetSetting, language: str, table: Tensor, stored: Mapping[str, int]) -> int:
    """Return the offset to use: what was asked for, else what the checkpoint states, else what the table shows.

    setting: rows to add to a unit name, or "auto". table: float of shape [rows, dim]. stored: the checkpoint's offsets by
    language. Warns in one line when the table leaves it open. Raises UsageError for an offset that is neither "auto" nor in
    0..rows - 1.
    """
    rows = table.shape[0]
    if setting != "auto":
        if isinstance(setting, bool) or not isinstance(setting, int) or not 0 <= setting < rows:
            raise UsageError("the vocoder's unit offset cannot be used", expected=f"auto or 0..{rows - 1}", found=setting)
        return setting
    if language in stored:
        return resolve_unit_offset(stored[language], language, table, {})
    estimate = estimate_unit_offset(table)
    if not estimate.is_decided:
        tell(_OPEN(language=language, rows=rows))
    elif estimate.offset:
        LOG.info("the '%s' vocoder counts units from %d (log odds %.0f)", language, estimate.offset, estimate.log_odds)
    return estimate.offset


def _normal(sample: Tensor, least_spread: float) -> tuple[float, float]:
    """Mean and spread of one more value like the sample's."""
    return float(sample.mean()), max(float(sample.std()), least_spread) * math.sqrt(1 + 1 / len(sample))


def _log_density(values: Tensor, normal: tuple[float, float]) -> Tensor:
    """Log density of a normal distribution, up to a constant."""
    mean, spread = normal
    return -0.5 * ((values - mean) / spread) ** 2 - math.log(spread)
