"""Compare programs that dub, side by side, on clips that may be given away: `netflips evaluate bench`.

    BENCH/clips.jsonl            {"id", "source", "reference_text", "other_texts"?, "subtitles"?}; made if need be
    BENCH/systems/NAME/ID.mp4    what a program made of each clip; its subtitles beside it (ID.srt, ID.ko.srt, ...)
    BENCH/systems/NAME/system.yaml   name, how: what the program is, and how it was run

NetfLips' own roads (`roads/*.yaml`) write such folders themselves. For other programs, the folder is put there by hand. The results
are BENCH/table.md, metrics.json, and page.html, whose players play the files of BENCH.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avcore.command import LOG
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import require_place, write_text
from avcore.journal import folder_lock
from avcore.notes import aligned, print_text, several
from avcore.progress import Progress, bars
from avcore.statistics import Figure
from avcore.texts import parse_yaml, read_yaml
from netflips.commands.checkout import from_checkout
from netflips.commands.dub_options import DubCommand
from netflips.evaluate.cases import CaseFiles, check_media, read_cases
from netflips.evaluate.command import BenchOptions
from netflips.evaluate.metric import DUBS, FigureKind
from netflips.evaluate.metrics.text import OURS
from netflips.evaluate.page import rendered
from netflips.evaluate.records import Record
from netflips.evaluate.suite import measure, suite_of
from netflips.evaluate.table import Cell, Row, as_json, with_interval
from netflips.subtitles.given import read_subtitles
from netflips.version import __version__

MANIFEST, CLIPS, SYSTEMS, ADAPTER = "clips.jsonl", "clips", "systems", "system.yaml"
TABLE, METRICS, PAGE = "table.md", "metrics.json", "page.html"
_MEASURED = "measured"
_FORM = '{"id": ..., "source": ..., "reference_text": ...}'
_ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".wav")
_SUBTITLES = (".srt", ".vtt", ".ttml", ".ass", ".smi")
AREAS: Mapping[str, tuple[str, ...]] = {
    "words": ("cer", "cer_nearest"),
    "sound": ("dnsmos", "clicks"),
    "voice": ("speaker", "f0_off"),
    "time": ("slc_20", "speech_overlap", "silent_share", "pause"),
    "lips": ("unit_sync_at_zero", "unit_sync_delay_ms", "closures", "lip_leak"),
    "image": ("sharpness", "outside_unchanged"),
}
"""Figures that a standing is made of: all areas have the same weight, and so have the figures of an area."""
_RIGHT: Mapping[str, float] = {"unit_sync_delay_ms": 0.0, "sharpness": 1.0}
"""Figures that should be near a value: the nearer, the better."""
_LEAST_CLIPS = 5
"""With fewer clips, a bootstrap takes chance for a difference."""
_SAID = "what a program meant to say, not what is heard"
_WRITTEN = FigureKind("chrf_words", "subtitles: chrF++", "higher", "sacrebleu, after unit2text.text", _SAID)
_TITLE = "Dubs of English into Korean, side by side"


def compare_programs(options: BenchOptions) -> None:
    """Make clips where there are none, dub them by the roads, and compare all programs that dubbed them. Raises NetflipsError."""
    folder, known = options.folder, roads()
    wanted = list(known) if options.roads is None else [one.strip() for one in options.roads.split(",") if one.strip()]
    if unknown := [one for one in wanted if one not in known]:
        raise UsageError("there is no such road", expected=", ".join(known), found=unknown[0])
    require_place(folder / TABLE)

    with bars(options.quiet) as progress:
        if not (folder / MANIFEST).is_file():
            from_checkout("recipes.demo.evaluate.bench_clips").make_clips(folder, options.number, progress)
        clips = read_clips(folder)
        left = {name: why for name in wanted if (why := run_road(name, known[name], clips, folder, progress))}
        for name, why in left.items():
            LOG.warning("road %s is left out: %s", name, why)

        systems = read_systems(folder, clips)
        if not systems:
            raise InputError("nothing dubbed the clips", path=folder / SYSTEMS, expected="roads, or folders of other programs")

        # By their paths, because a program may be called as a baseline is.
        subjects = {f"{SYSTEMS}/{system.folder}": system for system in systems}
        cases = [
            replace(clip, dubs={subject: system.dubs[clip.id] for subject, system in subjects.items() if clip.id in system.dubs})
            for clip in clips
        ]
        check_media(cases, folder / MANIFEST)
        suite = suite_of(options, cases, DUBS, "Bench", list(subjects))
        with folder_lock(folder / _MEASURED):
            _, rows, facts = measure(suite, folder / _MEASURED, progress)

    rows = [replace(row, cells={subjects[subject].folder: cell for subject, cell in row.cells.items()}) for row in rows]
    table = write_bench(folder, clips, systems, rows, facts, left)
    print_text(table.rstrip("\n"))
    LOG.info("written: %s", folder / PAGE)


# Clips, roads and systems


@dataclass(frozen=True)
class System:
    """A program, and what it made of the clips."""

    folder: str
    """its name in the files of the table"""
    name: str
    """as people read it, with its version"""
    how: str
    """how it was run"""
    dubs: Mapping[str, Path]
    """by id of the clip"""
    texts: Mapping[str, str]
    """of the subtitles beside the dubs, by id of the clip"""


def read_clips(folder: Path) -> tuple[CaseFiles, ...]:
    """Read the manifest of a bench. Raises InputError as `read_cases` does, and for ids that cannot be file names."""
    clips = read_cases(folder / MANIFEST, ("source", "reference_text"), "ko", _FORM, of_bench=True)
    if wrong := [clip.id for clip in clips if Path(clip.id).name != clip.id]:
        raise InputError("ids name files", path=folder / MANIFEST, expected="plain names", found=", ".join(wrong))
    return clips


def roads() -> dict[str, Any]:
    """Return NetfLips' roads by name: the title of each, how it is run, and its options of `DubCommand`."""
    there = files("netflips.evaluate").joinpath("roads").iterdir()
    texts = {one.name.partition(".yaml")[0]: one.read_text(encoding="utf-8") for one in there if one.name.endswith(".yaml")}
    return {name: parse_yaml(texts[name]) for name in sorted(texts)}


def run_road(name: str, road: Mapping[str, Any], clips: Sequence[CaseFiles], folder: Path, progress: Progress) -> str:
    """Dub the clips that a road has not dubbed yet, source-timed; returns why the road cannot run here, "" = it can.

    A clip that fails is reported, and tried again next time.
    """
    from netflips.commands.dub_videos import dub_videos

    out, why = folder / SYSTEMS / name, ""
    for done, clip in enumerate(clips):
        progress(f"road {name}", done, len(clips))
        dub = out / f"{clip.id}.mp4"
        if dub.is_file():
            continue

        out.mkdir(parents=True, exist_ok=True)
        if clip.subtitles is None and "{subtitles}" in road["options"].values():
            return f"{clip.id} has no subtitles"
        words = {"subtitles": str(clip.subtitles), "python": sys.executable}
        options: dict[str, Any] = {
            key: one.format(**words) if isinstance(one, str) else one for key, one in road["options"].items()
        }

        try:
            asked = DubCommand((clip.dub,), dub, to="ko", timing="source", subtitles="target", report=(dub.with_suffix(".json"),),
                               quiet=True, yes=True, **options)  # fmt: skip
            dub_videos(asked.in_each_language())
        except UsageError as error:  # the options are at fault, so every clip would fail
            return str(error)
        except NetflipsError as error:
            LOG.warning("%s, %s: failed: %s", name, clip.id, error)
            why = str(error)

    progress(f"road {name}", len(clips), len(clips))
    if not any(out.glob("*.mp4")):
        return why
    write_text(out / ADAPTER, f"name: {json.dumps(road['name'])}\nhow: {json.dumps(road['how'])}\nversion: {__version__}\n")
    return ""


def read_systems(folder: Path, clips: Sequence[CaseFiles]) -> list[System]:
    """Read what programs made of the clips. Raises InputError for a folder that does not describe its program, or has none of the
    clips."""
    found = list[System]()
    for place in sorted(one for one in (folder / SYSTEMS).iterdir() if one.is_dir()) if (folder / SYSTEMS).is_dir() else []:
        if not (place / ADAPTER).is_file():
            continue  # a road that was not finished

        about = read_yaml(place / ADAPTER, "what the program is")
        if not isinstance(about, dict) or not all(isinstance(about.get(key), str) and about[key] for key in ("name", "how")):
            raise InputError("it does not say what made these dubs", path=place / ADAPTER, expected="name: ..., how: it was run")

        version = f" ({about['version']})" if about.get("version") else ""
        # The last ending wins, so they are reversed: .mp4 is preferred.
        dubs = {clip.id: path for clip in clips for ending in reversed(_ENDINGS) if (path := place / (clip.id + ending)).is_file()}
        if not dubs:
            raise InputError("it has none of the clips", path=place, expected=f"{clips[0].id}.mp4, ...")

        texts = dict[str, str]()  # by id of the clip
        for name, dub in dubs.items():
            beside = [path for path in sorted(place.glob(f"{dub.stem}.*")) if path.suffix.lower() in _SUBTITLES]
            if beside and (text := " ".join(cue.text for cue in read_subtitles(beside[0], "en", "ko").cues if cue.text)):
                texts[name] = text

        found.append(System(place.name, about["name"] + version, about["how"], dubs, texts))
    return found


# Standings, table and page


@dataclass(frozen=True)
class Standing:
    """How a system compares with the others: wins less losses, as a share of the comparisons, -1 to 1."""

    system: str
    """name of its folder"""
    whole: float
    """mean of the areas"""
    areas: Mapping[str, float]
    """by name, as far as they can be compared"""
    better_in: Mapping[str, Sequence[str]]
    """figures in which it is better, by the other system"""


def standings(rows: Sequence[Row], systems: Sequence[str]) -> list[Standing]:
    """Rank systems, the best first. The columns of `rows` are systems."""
    figures = dict[str, Mapping[str, Cell]]()
    for row in rows:
        right = _RIGHT.get(row.name)
        figures[row.name] = row.cells if right is None else {name: cell.near(right) for name, cell in row.cells.items()}

    def outcome(system: str, other: str, name: str) -> int | None:
        """Compare two systems by a figure: 1 = better, -1 = worse, 0 = as good; None where they cannot be compared."""
        cells = figures.get(name, {})
        both = cells[system].compared(cells[other]) if {system, other} <= cells.keys() else None
        # Seen from the other system, which `compared` does not do.
        return None if both is None or both.difference.n < _LEAST_CLIPS else -both.better

    standings = list[Standing]()
    for system in systems:
        others = [one for one in systems if one != system]
        met = {(other, name): outcome(system, other, name) for other in others for names in AREAS.values() for name in names}
        areas = {area: _mean([met[other, name] for other in others for name in names]) for area, names in AREAS.items()}
        known = {area: value for area, value in areas.items() if value is not None}
        better = {other: [name for (one, name), way in met.items() if (one, way) == (other, 1)] for other in others}
        standings.append(Standing(system, _mean(list(known.values())) or 0.0, known, better))

    return sorted(standings, key=lambda standing: -standing.whole)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def with_count(figure: Figure | None) -> str:
    """Return a figure with its interval and the number of clips."""
    return with_interval(figure) + (f", n {figure.n}" if figure else "")


def write_bench(
    folder: Path,
    clips: Sequence[CaseFiles],
    systems: Sequence[System],
    rows: Sequence[Row],
    facts: Mapping[str, str],
    left: Mapping[str, str],
) -> str:
    """Write the results into a folder; returns the table. left: roads that cannot run here, and why."""

    titles, heard = {one.folder: one.name for one in systems}, dict[str, str]()
    for row in rows:  # the first wins: rows with our settings of the recognizer come before those of papers
        for system, cell in row.cells.items():
            for name, texts in cell.texts.items():
                heard.setdefault(f"{system}/{name}", texts["recognized"])

    rows = [*rows, _of_subtitles(clips, systems)]
    ranked = standings(rows, list(titles))
    dubbed = [f"{one.name}: {len(one.dubs)} of {several(len(clips), 'clip')}. {one.how}" for one in systems]
    dubbed += [f"road {name} cannot run here: {why}" for name, why in left.items()]
    about = [*(f"{name}: {value}" for name, value in facts.items()), *dubbed]
    measured = [row for row in rows if any(row.figure_of(title) for title in titles)]

    stand, figures = [["system", "standing", *AREAS]], [["figure", *titles.values()]]
    for standing in ranked:
        areas = [f"{standing.areas[area]:+.2f}" if area in standing.areas else "" for area in AREAS]
        stand.append([titles[standing.system], f"{standing.whole:+.2f}", *areas])
    figures += [[row.headline, *(with_count(row.figure_of(system)) for system in titles)] for row in measured]

    head = [f"# {_TITLE}\n", *(f"- {line}" for line in about), ""]
    text = "\n".join([*head, aligned(stand), aligned(figures)])

    content = {
        "facts": dict(facts), "systems": {one.folder: {"name": one.name, "how": one.how} for one in systems}, "left": dict(left),
        "standings": [vars(standing) for standing in ranked], "rows": as_json(rows),
    }  # fmt: skip
    write_text(folder / TABLE, text)
    write_text(folder / METRICS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    page = rendered(
        "bench.html", _TITLE, "media-src 'self' file:", about=about, titles=titles, clips=clips, systems=systems, ranked=ranked,
        rows=measured, areas=AREAS, heard=heard, with_count=with_count,
        link=lambda path: quote(relpath(path, folder)),
    )  # fmt: skip
    write_text(folder / PAGE, page)
    return text


def _of_subtitles(clips: Sequence[CaseFiles], systems: Sequence[System]) -> Row:
    """Score the subtitles that the programs wrote against the references, apart from how they are spoken."""
    cells = dict[str, Cell]()
    for system in (system for system in systems if system.texts):
        records = dict[str, Record]()
        for clip in (clip for clip in clips if clip.id in system.texts):
            texts = {"recognized": system.texts[clip.id], "wanted": clip.reference_text}
            found = OURS.likeness_of(texts["recognized"], texts["wanted"], "ko")
            records[clip.id] = Record.of((clip.id, system.folder, _WRITTEN.name), "", found, texts)
        cells[system.folder] = Cell(_WRITTEN, records, "ko")
    return Row("subtitles_chrf", "subtitles_chrf", _WRITTEN, cells)
