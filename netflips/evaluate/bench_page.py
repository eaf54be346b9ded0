"""What `netflips evaluate bench` writes: the table, figures as JSON, the page with players, and the page for blind listening."""

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

import numpy as np

from avcore.files import write_text
from avcore.notes import several
from netflips.evaluate.bench import LISTEN, METRICS, PAGE, TABLE, BenchClip, System
from netflips.evaluate.cases import DUBBED
from netflips.evaluate.listen import Pair, write_page
from netflips.evaluate.metric import FigureKind
from netflips.evaluate.metrics.text import OURS, CorpusScore
from netflips.evaluate.records import Record
from netflips.evaluate.results import rendered
from netflips.evaluate.standings import (
    AREAS,
    figures_table,
    side_by_side,
    standings,
    standings_table,
    with_interval,
)
from netflips.evaluate.suite_rows import Cell, Row, as_json
from netflips.evaluate.tables import title

_WRITTEN = FigureKind(
    "subtitles_chrf",
    "subtitles: chrF++",
    "higher",
    "sacrebleu, after unit2text.text",
    "what a program meant to say, not what is heard",
)
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
    table = [*side_by_side(rows, list(titles), DUBBED), _of_subtitles(clips, systems)]
    by_id = {f"{system.folder}/{name}": (system.folder, name) for system in systems for name in system.dubs}
    ranked = standings(found, {id_: one for id_, (one, _) in by_id.items()}, {id_: clip for id_, (_, clip) in by_id.items()})
    dubbed = [f"{one.name}: {len(one.dubs)} of {several(len(clips), 'clip')}. {one.how}" for one in systems]
    dubbed += [f"road {name} cannot run here: {why}" for name, why in left.items()]
    about = [*(f"{name}: {value}" for name, value in facts.items()), *dubbed]
    text = "\n".join([
        "# Dubs of English into Korean, side by side\n", *(f"- {line}" for line in about), "", standings_table(ranked, titles),
        figures_table(table, titles),
    ])  # fmt: skip
    content = {
        "facts": dict(facts),
        "systems": {one.folder: {"name": one.name, "how": one.how} for one in systems},
        "left": dict(left),
    }
    content |= {"standings": [vars(one) for one in ranked], "rows": as_json(table)}
    write_text(folder / TABLE, text)
    write_text(folder / METRICS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    heard = {one.id: one.texts["heard"] for one in found if one.texts.get("heard") and one.measure == OURS.likeness[0]}
    heard |= {one.id: one.texts["heard"] for one in found if one.texts.get("heard") and one.id not in heard}
    page = rendered(
        "bench.html", "media-src 'self' file:", about=about, titles=titles, clips=clips, systems=systems, ranked=ranked,
        rows=[row for row in table if any(row.figure_of(one) for one in titles)], areas=AREAS, heard=heard, title=title,
        with_interval=with_interval, link=lambda path: quote(relpath(path, folder)),
    )  # fmt: skip
    write_text(folder / PAGE, page)
    if len(systems) > 1:
        write_page(folder / LISTEN, drawn_pairs(systems, pairs), _QUESTION)
    return text


def _of_subtitles(clips: Sequence[BenchClip], systems: Sequence[System]) -> Row:
    """How like the references what the programs wrote is, apart from how it is spoken."""
    wanted, cells, signature = {one.id: one.reference_text for one in clips}, dict[str, Cell](), ""
    for one in systems:
        if one.texts:
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
