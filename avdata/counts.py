"""Count what is in a manifest."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from avcore.arrays import Doubles
from avcore.timeline import frames_to_seconds, samples_to_seconds
from avdata.manifest import PATH_FIELDS, Entry

_QUANTILES = {"least": 0.0, "median": 0.5, "most": 1.0}
_SECONDS_PER_HOUR = 3600
_MOST_VALUES = 20


def seconds_of(entry: Entry) -> float:
    """Its length by what it says of itself; 0 = it does not."""
    return entry.duration_s or float(samples_to_seconds(entry.samples)) or float(frames_to_seconds(entry.frames))


def count(entries: Sequence[Entry]) -> dict[str, Any]:
    """Numbers and hours, in all and by language and split; lengths and quality from least to most."""
    lengths = np.array([seconds_of(entry) for entry in entries])
    groups = {"language": [entry.language for entry in entries], "split": [str(entry.extra.get("split", "")) for entry in entries]}
    return {
        "entries": len(entries),
        "hours": _hours(lengths),
        "speakers": len({entry.speaker for entry in entries if entry.speaker}),
        "with": {what: sum(bool(getattr(entry, what)) for entry in entries) for what in (*PATH_FIELDS, "text", "translation")},
        "seconds": _spread(lengths),
        **{f"by {name}": _by(values, lengths) for name, values in groups.items() if any(values)},
        "quality": _qualities(entries),
    }


def describe(counts: Mapping[str, Any]) -> Iterator[str]:
    """The counts as lines of text."""
    for name, value in counts.items():
        if not isinstance(value, Mapping):
            yield f"{name}: {value}"
        elif value:
            yield f"{name}:"
            yield from (f"  {what}: {_in_words(one)}" for what, one in value.items())


def _in_words(value: Any) -> str:
    return ", ".join(f"{name} {one}" for name, one in value.items()) if isinstance(value, Mapping) else str(value)


def _by(values: Sequence[str], lengths: Doubles) -> dict[str, dict[str, float]]:
    column = np.array(values)
    groups = {value: column == value for value, _ in Counter(values).most_common(_MOST_VALUES)}
    return {value or "(none)": {"entries": int(group.sum()), "hours": _hours(lengths[group])} for value, group in groups.items()}


def _qualities(entries: Sequence[Entry]) -> dict[str, dict[str, float]]:
    figures: dict[str, list[float]] = {}
    for entry in entries:
        quality = entry.extra.get("quality")
        for name, value in (quality if isinstance(quality, Mapping) else {}).items():
            if isinstance(value, int | float):
                figures.setdefault(name, []).append(float(value))
    return {name: _spread(np.array(values)) for name, values in figures.items()}


def _spread(values: Doubles) -> dict[str, float]:
    return {name: round(float(np.quantile(values, share)), 3) for name, share in _QUANTILES.items()} if len(values) else {}


def _hours(lengths: Doubles) -> float:
    return round(float(lengths.sum()) / _SECONDS_PER_HOUR, 3)
