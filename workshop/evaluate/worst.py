"""The clips of an exam to look at first: each is made and dubbed once more, as its number says, for the page."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from avcore.errors import NetflipsError
from avcore.files import private_folder
from avcore.progress import Progress, silent
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.clips import DUBBED
from netflips.evaluate.records import Record as SuiteRecord
from netflips.evaluate.suite_rows import Row, worst_clips
from netflips.evaluate.worst import WorstClip, worst_clip
from workshop.evaluate.bench import load_bundle
from workshop.evaluate.chain import Chain, read_clip
from workshop.evaluate.jobs import ExamItem, ExamPaths, Record
from workshop.evaluate.material import KINDS, ClipPlan, plan_clip, write_clip
from workshop.evaluate.modalities import AUDIO, BOTH
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import DubAtRandom

_JUDGE = "the nearest of all recordings"


def failures_of(records: Iterable[Record]) -> dict[str, list[str]]:
    """Why something of a clip failed, by clip; weights that know nothing fail by design, and are not told."""
    found: dict[str, list[str]] = {}
    for one in records:
        if "failed" in one and one["task"] != DubAtRandom.name:
            reasons = found.setdefault(ExamItem(str(one["kind"]), int(one["index"])).id, [])
            reasons.append(f"{one['task']}: {one['failed']}")
    return found


def worst_of_exam(
    rows: Sequence[Row],
    records: Sequence[Record],
    place: ExamPaths,
    settings: EvaluationSettings,
    number: int,
    progress: Progress = silent,
) -> list[WorstClip]:
    """What the page shows of the clips that are worst in most rows. Raises OutputError."""
    items = {item.id: item for item in (ExamItem(str(one["kind"]), int(one["index"])) for one in records) if item.is_dubbed}
    ranked = [row for row in rows if row.kind.better != "near"]  # the others are baselines, and what a measure itself gives
    chosen = [(name, behind) for name, behind in worst_clips(ranked, list(items), number) if any(behind.values())]
    if not chosen:
        return []
    chain, shown = Chain(load_bundle(place.bundle, place.device, place.precision)), list[WorstClip]()
    with private_folder() as folder:
        for count, (name, behind) in enumerate(chosen):
            progress("clips to look at", count, len(chosen))
            own = [one for one in records if (one["kind"], one["index"]) == (items[name].kind, items[name].index)]
            shown.append(_shown(items[name], own, behind, rows, chain, settings, folder / str(count)))
        progress("clips to look at", len(chosen), len(chosen))
    return shown


def _shown(
    item: ExamItem,
    own: Sequence[Record],
    behind: Mapping[str, float],
    rows: Sequence[Row],
    chain: Chain,
    settings: EvaluationSettings,
    folder: Path,
) -> WorstClip:
    folder.mkdir()
    assert item.kind in KINDS  # as is_dubbed says
    plan, source, dub = plan_clip(item.kind, item.index, settings), folder / "source.mp4", folder / "dub.mp4"
    try:
        _make(plan, source, dub, chain, settings)
        failed = ""
    except NetflipsError as error:
        failed = str(error)
    heard = next((str(one["found"]) for one in own if one["task"] == BOTH and "found" in one), None)
    texts = {"wanted": plan.pair.korean} | ({} if heard is None else {"heard": heard, "recognizer": _JUDGE})
    record = SuiteRecord(item.id, DUBBED, item.kind, "", failed=failed, texts=texts)
    case = CaseFiles(item.id, dub if dub.is_file() else source, source if dub.is_file() else None, None, plan.pair.korean)
    return worst_clip(case, behind, rows, [record])


def _make(plan: ClipPlan, source: Path, dub: Path, chain: Chain, settings: EvaluationSettings) -> None:
    """Write a clip, and its dub. Raises NetflipsError."""
    write_clip(source, plan, settings.side)
    heard = read_clip(source)
    chain.show(heard, chain.dub(heard, AUDIO if heard.face is None else BOTH), dub)
