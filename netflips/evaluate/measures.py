"""The measures of a suite: those of the catalogue, and what only a suite knows: whether there is a face, what the dub has cost."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from avcore.errors import InputError, NoFaceError, UsageError
from avcore.texts import read_json
from avcore.usage import did_you_mean
from netflips.evaluate.clips import DUBBED, SHUFFLED, SuiteCase
from netflips.evaluate.face_clips import AS_PUBLISHED, LeastFace
from netflips.evaluate.metrics.catalogue import metrics_of_cases
from netflips.evaluate.metrics.figures import (
    DUB,
    FACES,
    OTHERS,
    REFERENCE,
    REFERENCE_TEXT,
    SOURCE,
    Case,
    Kind,
    Measured,
    Metric,
    Missing,
    PlainMetric,
)
from netflips.evaluate.metrics.kinds import KINDS as OF_CATALOGUE

FACE, COST = ("face_found", "face_share"), ("real_time", "peak_memory_mb")
KINDS: Mapping[str, Kind] = {
    **OF_CATALOGUE,
    "face_found": Kind("clips with a face", "", "higher", "the detector of the dub", "not whose face it is"),
    "face_share": Kind("pictures with a face", "", "higher", "the detector of the dub", "not whose face it is"),
    "real_time": Kind("seconds of work for a second", "s", "lower", "the dub's report", "compares only on one machine"),
    "peak_memory_mb": Kind("peak memory of the dub", "MB", "lower", "the dub's report", "of the whole process"),
}
"""Of all figures that have a row, by name."""
SPEECH_HAS_NO = frozenset({"outside_unchanged", "unit_sync", "lse_c", "face_ssim", "face_found", "real_time"})
"""Measures that say nothing of speech alone."""
DUBS_HAVE_NO = frozenset({"stoi", "f0_error", "unit_error_rate", "face_ssim"})
"""Measures of the same words in the same time, which a dub into another language is not."""
_PAIRED = frozenset({SOURCE, REFERENCE, REFERENCE_TEXT, OTHERS})
_MEGABYTE = 1 << 20


def metrics_of(syncnet: Path | None, watched: LeastFace = AS_PUBLISHED) -> tuple[Metric, ...]:
    """All metrics, with the networks of the files that were given. watched: faces that SyncNet looks at. Raises CheckpointError."""
    return (*metrics_of_cases(_syncnet(syncnet), watched), *_OWN)


@cache
def names_of() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The measures by name, and the figures of each, in the order of tables."""
    return tuple((one.name, one.figures) for one in (*metrics_of_cases(), *_OWN))


def needs_of() -> tuple[tuple[str, frozenset[str]], ...]:
    """What each measure needs, by name."""
    return tuple((one.name, one.needs) for one in (*metrics_of_cases(), *_OWN))


def chosen(text: str, left_out: frozenset[str]) -> tuple[str, ...]:
    """The measures that are asked for by the names of measures or figures, as `cer,unit_sync`; "" = all but those left out.

    Raises UsageError for a name that is none; it lists them.
    """
    known = names_of()
    if not text:
        return tuple(name for name, _ in known if name not in left_out)
    found = []
    for wanted in (part.strip() for part in text.split(",") if part.strip()):
        of = next((name for name, figures in known if wanted == name or wanted in figures), None)
        if of is None:
            names = [figure for name, figures in known for figure in (name, *figures)]
            raise UsageError(
                "--measures cannot be used",
                expected=", ".join(name for name, _ in known),
                found=wanted,
                hint=did_you_mean(wanted, names) or None,
            )
        found.append(of)
    return tuple(name for name, _ in known if name in found)


def is_measured(metric: Metric, subject: str) -> bool:
    """Whether a measure says anything with a subject in the dub's place: a shuffled pair differs by its sound alone."""
    if metric.name == COST[0]:
        return subject == DUBBED
    if subject != SHUFFLED:
        return True
    return metric.name == "unit_sync" or (bool(_PAIRED & metric.needs) and FACES not in metric.needs)


def _syncnet(path: Path | None) -> Any:
    if path is None:
        return None
    from unit2av.face.syncnet import load_syncnet

    return load_syncnet(path)


def _face(case: Case) -> Measured:
    """Whether there is a face at all: a dub without one counts, with zero."""
    try:
        boxes = case.dub.faces()
    except NoFaceError:
        return dict.fromkeys(FACE, 0.0)
    return {FACE[0]: 1.0, FACE[1]: sum(box is not None for box in boxes) / max(len(boxes), 1)}


def _cost(case: Case) -> Measured:
    """What making the dub took, as its report says."""
    if not isinstance(case, SuiteCase) or case.files.report is None:
        return dict.fromkeys(COST, Missing("needs the dub's report (--report of netflips dub)"))
    return cost_of(case.files.report, case.files.dub.name)


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
    return {COST[0]: work / length if length > 0 else Missing("the source has no length"), COST[1]: memory}


def _own(figures: Sequence[str], needs: Iterable[str], function: Callable[[Case], Measured]) -> Metric:
    first = KINDS[figures[0]]
    return PlainMetric(figures[0], first.unit, first.better, tuple(figures), frozenset(needs), function)


_OWN = (_own(FACE, (DUB, FACES), _face), _own(COST, (DUB,), _cost))
