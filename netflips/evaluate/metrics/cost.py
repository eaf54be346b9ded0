"""Figures from the report of a dub: time and memory, which compare only on one machine, and how its utterances fit their slots."""

from pathlib import Path

from avcore.errors import InputError
from avcore.texts import read_json
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, FigureKind, Measured, Missing, metric, rate
from netflips.script.files import script_from
from netflips.script.types import Script

_MEGABYTE = 1 << 20
_BY = "the dub's report"
_FITTING, _SQUEEZED = (0.9, 1.1), 0.8
"""Shares of the natural length: within these, nobody hears the difference; below the third, everybody does."""


def _script(case: Case, outcome: Clip) -> Script:
    """Return the script of a dub from its report. Raises InputError for the report of another dub."""
    report, dub = case.files.report_of(outcome.path), outcome.path.name
    assert report is not None  # a metric that asks for it declares it as a need
    content = read_json(report, "the dub's report")
    dubs = content.get("dubs", [content]) if isinstance(content, dict) else []
    scripts = (script_from(one, report) for one in dubs)
    found = next((script for script in scripts if Path(script.result.output).name == dub), None)
    if found is None:
        raise InputError("the report does not tell of this dub", path=report, expected=dub)
    return found


@metric(
    FigureKind("real_time", "seconds of work for a second", "lower", _BY, "compares only on one machine", "s"),
    FigureKind("peak_memory_mb", "peak memory of the dub", "lower", _BY, "of the whole process", "MB"),
    needs={"report"},
    place=90,
    suits=(DUBS,),
    of_baselines=False,
)
def cost(case: Case, outcome: Clip) -> Measured:
    """Seconds of work for each second of the source, and peak memory. Raises InputError for the report of another dub."""
    found = _script(case, outcome)
    work, length, peak = sum(step.seconds for step in found.result.timings), found.input_s, found.result.peak_memory_bytes
    memory = Missing("the report does not say it") if peak is None else peak / _MEGABYTE
    return {"real_time": work / length if length > 0 else Missing("the source has no length"), "peak_memory_mb": memory}


@metric(
    FigureKind("pace_fits", "utterances at 0.9 to 1.1 of their natural length", "higher", _BY, "not of the lips", of="rate"),
    FigureKind("pace_squeezed", "utterances below 0.8 of it, or cut", "lower", _BY, "not of the lips", of="rate"),
    needs={"report"},
    place=51,
    suits=(DUBS,),
    of_baselines=False,
)  # fmt: skip
def pace(case: Case, outcome: Clip) -> Measured:
    """Count the utterances that fit their slots as they are spoken. Raises InputError for the report of another dub."""
    found = _script(case, outcome)
    fits = [
        utterance.fit for utterance in found.utterances if utterance.fit is not None and utterance.fit.duration_scale is not None
    ]
    fitting = sum(not fit.cut_s and _FITTING[0] <= (fit.duration_scale or 0.0) <= _FITTING[1] for fit in fits)
    squeezed = sum(bool(fit.cut_s) or (fit.duration_scale or 0.0) < _SQUEEZED for fit in fits)
    none = "no utterance has a slot"
    return {**rate("pace_fits", fitting, len(fits), none), **rate("pace_squeezed", squeezed, len(fits), none)}
