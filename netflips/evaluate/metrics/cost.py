"""What making a dub took, as its report says. What it is not: comparable between machines."""

from pathlib import Path

from avcore.errors import InputError
from avcore.texts import read_json
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, Kind, Measured, Metric, Missing

_NAMES = ("real_time", "peak_memory_mb")
_MEGABYTE = 1 << 20


def cost_of(report: Path, dub: str) -> Measured:
    """Seconds of work for each second of the source, and the largest memory, of the dub of that name. Raises InputError."""
    content = read_json(report, "the dub's report")
    dubs = content.get("dubs", [content]) if isinstance(content, dict) else []
    found = next((one for one in dubs if isinstance(one, dict) and Path(str(one.get("output", ""))).name == dub), None)
    if found is None:
        raise InputError("the report does not tell of this dub", path=report, expected=dub)
    try:
        work = sum(float(stage["seconds"]) for stage in found["stages"])
        length = float(found["input_s"])
        peak = found.get("peak_memory_bytes")
        memory = Missing("the report does not say it") if peak is None else float(peak) / _MEGABYTE
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("this is no report of a dub", path=report, found=error) from error
    return {_NAMES[0]: work / length if length > 0 else Missing("the source has no length"), _NAMES[1]: memory}


def _measure(case: Case, outcome: Clip) -> Measured:
    if case.report is None:
        return dict.fromkeys(_NAMES, Missing("needs the dub's report (--report of netflips dub)"))
    return cost_of(case.report, outcome.path.name)


METRICS = (
    Metric(
        _measure,
        frozenset(),
        {
            _NAMES[0]: Kind("seconds of work for a second", "s", "lower", "the dub's report", "compares only on one machine"),
            _NAMES[1]: Kind("peak memory of the dub", "MB", "lower", "the dub's report", "of the whole process"),
        },
        place=90,
        suits=(DUBS,),
        of_baselines=False,
    ),
)
