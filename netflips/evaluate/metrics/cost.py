"""What making a dub took, as its report says. What it is not: comparable between machines."""

from pathlib import Path

from avcore.errors import InputError
from avcore.texts import read_json
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, FigureKind, Measured, Missing, metric
from netflips.script.files import script_from

_MEGABYTE = 1 << 20
_BY = "the dub's report"


@metric(
    FigureKind("real_time", "seconds of work for a second", "lower", _BY, "compares only on one machine", "s"),
    FigureKind("peak_memory_mb", "peak memory of the dub", "lower", _BY, "of the whole process", "MB"),
    place=90,
    suits=(DUBS,),
    of_baselines=False,
)
def cost(case: Case, outcome: Clip) -> Measured:
    """Seconds of work for each second of the source, and the largest memory. Raises InputError for another file."""
    if case.report is None:
        return dict.fromkeys(cost.figures, Missing("needs the dub's report (--report of netflips dub)"))
    content, dub = read_json(case.report, "the dub's report"), outcome.path.name
    dubs = content.get("dubs", [content]) if isinstance(content, dict) else []
    scripts = (script_from(one, case.report) for one in dubs)
    found = next((one for one in scripts if Path(one.result.output).name == dub), None)
    if found is None:
        raise InputError("the report does not tell of this dub", path=case.report, expected=dub)
    work, length, peak = sum(step.seconds for step in found.result.timings), found.input_s, found.result.peak_memory_bytes
    memory = Missing("the report does not say it") if peak is None else peak / _MEGABYTE
    return {"real_time": work / length if length > 0 else Missing("the source has no length"), "peak_memory_mb": memory}
