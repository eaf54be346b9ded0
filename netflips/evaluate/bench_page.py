"""What `netflips evaluate bench` writes: the table, figures as JSON, the page with players, and the page for blind listening."""

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

import numpy as np

from avcore.files import write_text
from avcore.notes import aligned, several
from avcore.statistics import Figure
from netflips.evaluate.bench import LISTEN, METRICS, PAGE, TABLE, BenchClip, System
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import DUBBED
from netflips.evaluate.listen import Pair, write_page
from netflips.evaluate.metric import FigureKind, all_metrics
from netflips.evaluate.metrics.text import OURS, CorpusScore
from netflips.evaluate.records import Record
from netflips.evaluate.results import rendered
from netflips.evaluate.suite_rows import Cell, Row, as_json, values_of
from netflips.evaluate.tables import title, with_interval

# Systems side by side: figures with intervals, and who is better in what beyond chance

AREAS: Mapping[str, tuple[str, ...]] = {
    "words": ("cer", "cer_vosk"),
    "sound": ("dnsmos", "clicks"),
    "voice": ("speaker", "f0_off"),
    "time": ("slc_20", "speech_overlap", "silent_share", "pause"),
    "lips": ("unit_sync_at_zero", "unit_sync_delay_ms", "closures", "lip_leak"),
    "picture": ("sharpness", "outside_unchanged"),
}
"""What a standing is of: each area weighs alike, and within it each figure."""
_RIGHT: Mapping[str, float] = {"unit_sync_delay_ms": 0.0, "sharpness": 1.0}
"""Figures that should be near something: the nearer, the better."""
_LEAST_CLIPS = 5
"""Of fewer, a bootstrap takes chance for a difference."""


@dataclass(frozen=True)
class Standing:
    """wins less losses over comparisons, -1 to 1: in all, and by area. worse_in, better_in: figures, by the other system."""

    system: str
    whole: float
    areas: Mapping[str, float]
    better_in: Mapping[str, Sequence[str]]
    worse_in: Mapping[str, Sequence[str]]


def standings(found: Collection[Record], system_of: Mapping[str, str], clip_of: Mapping[str, str]) -> list[Standing]:
    """Rank systems, the best first. found: records of dubs; system_of, clip_of: whose and of which clip a record is, by its id."""
    systems, kinds = list(dict.fromkeys(system_of.values())), dict[str, tuple[str, FigureKind]]()
    for metric in all_metrics():
        kinds |= {name: (metric.name, kind) for name, kind in metric.kinds.items()}
    own = dict[tuple[str, str], ByClip]()
    for system, names in itertools.product(systems, AREAS.values()):
        for name in names:
            measure, kind = kinds[name]
            records = [one for one in found if one.measure == measure and system_of.get(one.id) == system]
            by_clip = values_of([replace(one, id=clip_of[one.id]) for one in records], name, kind)
            if name in _RIGHT:  # how near it is
                by_clip = ByClip({clip: -abs(value - _RIGHT[name]) for clip, value in by_clip.values.items()})
            own[system, name] = by_clip

    def outcome(system: str, other: str, name: str) -> int | None:
        """1 = better, -1 = worse, 0 = as good; None where they cannot be compared."""
        both = own[system, name].compared(own[other, name])
        if both is None or both[1].n < _LEAST_CLIPS:
            return None
        is_better = (both[1].value < 0) == (kinds[name][1].better == "higher" or name in _RIGHT)
        return (1 if is_better else -1) if both[1].is_significant else 0

    told = list[Standing]()
    for system in systems:
        others = [one for one in systems if one != system]
        met = {(other, name): outcome(system, other, name) for other in others for names in AREAS.values() for name in names}
        areas = {area: _mean([met[other, name] for other in others for name in names]) for area, names in AREAS.items()}
        known = {area: value for area, value in areas.items() if value is not None}
        sides = [{other: [name for (one, name), way in met.items() if one == other and way == sign] for other in others}
                 for sign in (1, -1)]  # fmt: skip
        told.append(Standing(system, _mean(list(known.values())) or 0.0, known, *sides))
    return sorted(told, key=lambda one: -one.whole)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return sum(known) / len(known) if known else None


def side_by_side(rows: Sequence[Row], systems: Sequence[str]) -> list[Row]:
    """Return rows whose columns are systems. rows: a row a system and figure."""
    found = dict[str, Row]()
    for row in rows:
        if row.group in systems and DUBBED in row.cells:
            name = row.name.rpartition(".")[2]
            before = found.get(name) or replace(row, name=name, group="", cells={})
            found[name] = replace(before, cells={**before.cells, row.group: row.cells[DUBBED]})
    return list(found.values())


def with_count(figure: Figure | None) -> str:
    """Return a figure with its interval, of how many clips."""
    return with_interval(figure) + (f", n {figure.n}" if figure else "")


# What is written

_SAID = "what a program meant to say, not what is heard"
_WRITTEN = FigureKind("subtitles_chrf", "subtitles: chrF++", "higher", "sacrebleu, after unit2text.text", _SAID)
_QUESTION = "Which of the two is the better Korean dub?"


def write_bench(
    folder: Path,
    clips: Sequence[BenchClip],
    systems: Sequence[System],
    found: Collection[Record],
    rows: Sequence[Row],
    facts: Mapping[str, str],
    left: Mapping[str, str],
    pairs: int,
) -> str:
    """Write the results into a folder; returns the table. left: roads that cannot run here, and why. pairs: to listen to."""
    titles = {one.folder: one.name for one in systems}
    table = [*side_by_side(rows, list(titles)), _of_subtitles(clips, systems)]
    by_id = {f"{system.folder}/{name}": (system.folder, name) for system in systems for name in system.dubs}
    ranked = standings(found, {id_: one for id_, (one, _) in by_id.items()}, {id_: clip for id_, (_, clip) in by_id.items()})
    dubbed = [f"{one.name}: {len(one.dubs)} of {several(len(clips), 'clip')}. {one.how}" for one in systems]
    dubbed += [f"road {name} cannot run here: {why}" for name, why in left.items()]
    about = [*(f"{name}: {value}" for name, value in facts.items()), *dubbed]
    measured = [row for row in table if any(row.figure_of(one) for one in titles)]
    stand, figures = [["system", "standing", *AREAS]], [["figure", *titles.values()]]
    for one in ranked:
        areas = [f"{one.areas[area]:+.2f}" if area in one.areas else "" for area in AREAS]
        stand.append([titles[one.system], f"{one.whole:+.2f}", *areas])
    figures += [[title(row), *(with_count(row.figure_of(system)) for system in titles)] for row in measured]
    head = ["# Dubs of English into Korean, side by side\n", *(f"- {line}" for line in about), ""]
    text = "\n".join([*head, aligned(stand), aligned(figures)])
    content = {
        "facts": dict(facts), "systems": {one.folder: {"name": one.name, "how": one.how} for one in systems}, "left": dict(left),
        "standings": [vars(one) for one in ranked], "rows": as_json(table),
    }  # fmt: skip
    write_text(folder / TABLE, text)
    write_text(folder / METRICS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    heard = {one.id: one.texts["heard"] for one in found if one.texts.get("heard") and one.measure == OURS.likeness[0]}
    heard |= {one.id: one.texts["heard"] for one in found if one.texts.get("heard") and one.id not in heard}
    page = rendered(
        "bench.html", "media-src 'self' file:", about=about, titles=titles, clips=clips, systems=systems, ranked=ranked,
        rows=measured, areas=AREAS, heard=heard, title=title, with_count=with_count,
        link=lambda path: quote(relpath(path, folder)),
    )  # fmt: skip
    write_text(folder / PAGE, page)
    if len(systems) > 1:
        write_page(folder / LISTEN, drawn_pairs(systems, pairs), _QUESTION)
    return text


def _of_subtitles(clips: Sequence[BenchClip], systems: Sequence[System]) -> Row:
    """How like the references what the programs wrote is, apart from how it is spoken."""
    wanted, cells, signature = {one.id: one.reference_text for one in clips}, dict[str, Cell](), ""
    for one in (one for one in systems if one.texts):
        score = OURS.of_corpus(list(one.texts.values()), [wanted[name] for name in one.texts], "ko")["chrf_words"]
        if isinstance(score, CorpusScore):
            cells[one.folder], signature = Cell(score.figure), score.signature
    return Row(_WRITTEN.name, _WRITTEN.name, _WRITTEN, cells, signature)


def drawn_pairs(systems: Sequence[System], number: int) -> list[Pair]:
    """Draw clips of two systems each, all pairs of systems as often as one another, always the same."""
    rng = np.random.default_rng(0)
    both = list(itertools.combinations(systems, 2))
    turns = [
        [(name, first, second) for name in rng.permutation(sorted(first.dubs.keys() & second.dubs.keys()))]
        for first, second in both
    ]
    mixed = [one for round_ in itertools.zip_longest(*turns) for one in round_ if one is not None][:number]
    return [
        Pair(str(name), (first.name, second.name), (first.dubs[name], second.dubs[name]), bool(rng.integers(2)))
        for name, first, second in (mixed[place] for place in rng.permutation(len(mixed)))
    ]
