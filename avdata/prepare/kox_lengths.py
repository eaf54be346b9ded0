"""Whether recordings of Ko-X are of the language that they are taken for, by how long they last.

A recording follows the length of its own text more closely than that of the text's translation. Ranks are compared, so that
slow speakers, pauses and single wrong files count for little. Measured on 400 pairs of made sentences in each of two sets (short
ones, and one to five of them in a row), spoken by a synthesiser at 130 to 200 words a minute with 0.3 to 1.2 s of silence: of 100
recordings in the right language the difference of the two partial correlations was 0.08 or more, in the wrong one -0.08 or less
(99.5 % of 400 draws); where half were in the wrong one it was about 0.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from avdata.manifest import iter_entries
from avdata.prepare.kox_layout import ENGLISH, KOREAN

LOG = logging.getLogger("netflips")
_FEWEST = 100
"""Recordings of a place that allow a judgement."""
_LEAST_LEAN, _LEAST_CORRELATION = 0.0, 0.3
_LEAST_SPREAD = 1.5
"""Where nine of ten texts are not this much longer than one of ten, their lengths say nothing."""
_SYLLABLE = re.compile("[가-힣]|[aeiouy]+|[0-9]", re.IGNORECASE)
_SPOKEN = {KOREAN: "Korean", ENGLISH: "English"}


def syllables(text: str) -> int:
    """About how many syllables a Korean or English text has; a digit counts as one."""
    return len(_SYLLABLE.findall(text))


def check_lengths(out: Path, places: Mapping[tuple[str, str], str]) -> None:
    """Warn of places whose recordings do not last as their texts would in the language that they are taken for.

    out: the folder with ko.jsonl and en.jsonl. places: where each recording is from, by its language and name.
    """
    for language, spoken in _SPOKEN.items():
        rows: dict[str, list[tuple[float, int, int]]] = {}
        path = out / f"{language}.jsonl"
        for _, entry in iter_entries(path) if path.exists() else ():
            place = places.get((language, entry.id))
            if place is not None and entry.text:
                row = entry.duration_s, syllables(entry.text), syllables(entry.translation)
                rows.setdefault(place, []).append(row)
        for place, found in sorted(rows.items()):
            if complaint := _complaint(np.array(found, dtype=np.float64), spoken):
                LOG.warning("%s: %s; listen to some before you train", place, complaint)


def _complaint(rows: NDArray[np.float64], spoken: str) -> str:
    """What is wrong with durations and syllables of own and other text, float [recordings, 3]; "" = nothing that can be told."""
    short, long = np.percentile(rows[:, 1], (10, 90)) if len(rows) >= _FEWEST else (1.0, 1.0)
    if long < _LEAST_SPREAD * max(short, 1.0):
        return ""
    both = rows[rows[:, 2] > 0]
    if len(both) >= _FEWEST and lean(both) < _LEAST_LEAN:
        return (
            f"its {len(rows)} {spoken} recordings last as their translations would, not as their {spoken} text: "
            f"are they in {spoken}? (partial rank correlations differ by {lean(both):.2f}; 0.4 is usual)"
        )
    follows = _correlations(rows[:, :2])[0, 1]
    if follows < _LEAST_CORRELATION:
        return f"its {len(rows)} {spoken} recordings do not last as their text would (rank correlation {follows:.2f}; 0.7 is usual)"
    return ""


def lean(rows: NDArray[np.float64]) -> float:
    """How much closer durations follow the own text than its translation, -2 to 2: the difference of partial rank correlations.

    rows: seconds, syllables of the own text, syllables of the translation, float64 of shape [recordings, 3].
    """
    matrix = _correlations(rows)
    own, other, texts = matrix[0, 1], matrix[0, 2], matrix[1, 2]
    rest = np.sqrt(np.clip(1 - np.array([own, other, texts]) ** 2, 1e-9, None))
    return float((own - other * texts) / (rest[1] * rest[2]) - (other - own * texts) / (rest[0] * rest[2]))


def _correlations(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's rank correlations of the columns; 0 where a column does not vary."""
    ranks = np.apply_along_axis(rankdata, 0, rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num(np.corrcoef(ranks, rowvar=False)), dtype=np.float64)
