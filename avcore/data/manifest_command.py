"""`netflips manifest`: check, count, divide and join manifests, and convert from and to the published forms."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from avcore.arrays import Doubles
from avcore.command import LOG
from avcore.data.manifest import PATH_FIELDS, Entry, Manifest, parse_entry, read_manifest, write_manifest
from avcore.data.published.conversions import CONVERSIONS, ENTRIES, ManifestOptions
from avcore.data.splits import SplitPlan, at_random, by_field, merge, moved
from avcore.errors import EXIT_DONE, EXIT_FAILED, NetflipsError, UsageError
from avcore.files import Input, Output, check_files, why_missing, write_text
from avcore.flags import Command, Commands, QuietOptions, flag, out_flag, positional
from avcore.journal import iter_rows
from avcore.notes import print_text, several, shown
from avcore.pool import Lost, PoolTask, ProcessPool
from avcore.progress import Progress, bars, silent, track
from avcore.timeline import SAMPLE_RATE, frames_to_seconds, samples_to_seconds

# A page of lengths: a histogram of seconds, and for pairs one of ratios

_BARS, _WIDTH, _HEIGHT, _GAP = 40, 20, 220, 17
"""Bars of a histogram; width of each, height, and space for a line below, in pixels."""
_SHARES = (0.05, 0.5, 0.95)
_MOST = 0.995
"""Share of the values within the range of the histogram; larger ones are counted in its last bar."""
_STYLE = (
    "body{font:16px system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "svg{width:100%;height:auto}rect{fill:#3b6ea5}path{stroke:#888}text{font-size:13px;fill:#444}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}text{fill:#bbb}rect{fill:#7fb0e6}}"
)


def lengths_by_id(manifest: Manifest) -> dict[str, float]:
    """Return the seconds of each entry with a stated length, by id."""
    return {entry.id: entry.seconds for entry in manifest.entries if entry.seconds}


def write_lengths(out: Path, sides: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Write a page with a histogram of each side's lengths and, for two sides, of the ratios (second to first) for equal ids.

    sides: seconds by id, by the name of their manifest. Returns a summary of each histogram by its title. Raises OutputError.
    """
    shown = {f"{name}: seconds": np.array([*lengths.values()]) for name, lengths in sides.items()}
    if len(sides) > 1:
        (first, ours), (second, theirs) = sides.items()
        ratios = [theirs[name] / seconds for name, seconds in ours.items() if name in theirs]
        shown[f"{second} to {first}: ratio of lengths"] = np.array(ratios)

    words = dict[str, str]()
    for title, values in shown.items():
        quantiles = ", ".join(f"{share:.0%} below {np.quantile(values, share):.2f}" for share in _SHARES if len(values))
        words[title] = f"{several(len(values), 'value')}: {quantiles}; most {values.max():.2f}" if len(values) else "no lengths"
    parts = (f"<h2>{escape(title)}</h2><p>{words[title]}</p>{_histogram(values)}" for title, values in shown.items())
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Lengths</title><style>{_STYLE}</style>'
    write_text(out, f"{head}<h1>Lengths</h1>{''.join(parts)}</html>\n")
    return words


def _histogram(values: Doubles) -> str:
    """Return a histogram as SVG."""
    if not len(values):
        return ""

    top = float(np.quantile(values, _MOST)) or 1.0
    counts, edges = np.histogram(np.minimum(values, top), _BARS, (0.0, top))
    drawn = []
    for place, height in enumerate(_HEIGHT * counts / counts.max()):
        at = f'x="{place * _WIDTH}" y="{_HEIGHT - height:.1f}" width="{_WIDTH - 1}" height="{height:.1f}"'
        title = f"{edges[place]:.2f} to {edges[place + 1]:.2f}: {counts[place]}"
        drawn.append(f"<rect {at}><title>{title}</title></rect>")
    for place in range(0, _BARS + 1, _BARS // 4):
        anchor = "start" if place == 0 else "end" if place == _BARS else "middle"
        drawn.append(f'<text x="{place * _WIDTH}" y="{_HEIGHT + _GAP}" text-anchor="{anchor}">{edges[place]:.2f}</text>')
    box = f"0 0 {_BARS * _WIDTH} {_HEIGHT + 2 * _GAP}"
    return f'<svg viewBox="{box}" role="img">{"".join(drawn)}<path d="M0 {_HEIGHT}h{_BARS * _WIDTH}"/></svg>'


# Counts

_QUANTILES = {"least": 0.0, "median": 0.5, "most": 1.0}
_SECONDS_PER_HOUR = 3600
_MOST_VALUES = 20
_MOST_SHOWN = 50


def count(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return counts and hours, in total and by language and split; least, median and most of lengths and quality figures."""
    lengths = np.array([entry.seconds for entry in entries])
    groups = {"language": [entry.language for entry in entries], "split": [str(entry.extra.get("split", "")) for entry in entries]}
    by = dict[str, dict[str, dict[str, float]]]()
    for name, values in groups.items():
        for value, _ in Counter(values).most_common(_MOST_VALUES) if any(values) else ():
            row = np.array(values) == value
            by.setdefault(f"by {name}", {})[value or "(none)"] = {"entries": int(row.sum()), "hours": _hours(lengths[row])}

    figures = dict[str, list[float]]()
    for entry in entries:
        quality = entry.extra.get("quality")
        for name, value in (quality if isinstance(quality, Mapping) else {}).items():
            if isinstance(value, int | float):
                figures.setdefault(name, []).append(float(value))

    return {
        "entries": len(entries),
        "hours": _hours(lengths),
        "speakers": len({entry.speaker for entry in entries if entry.speaker}),
        "with": {what: sum(bool(getattr(entry, what)) for entry in entries) for what in (*PATH_FIELDS, "text", "translation")},
        "seconds": _spread(lengths),
        **by,
        "quality": {name: _spread(np.array(values)) for name, values in figures.items()},
    }


def describe(counts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the counts as lines of text."""
    for name, value in counts.items():
        if not isinstance(value, Mapping):
            yield f"{name}: {value}"
        elif value:
            yield f"{name}:"
            for what, one in value.items():
                row = ", ".join(f"{key} {figure}" for key, figure in one.items()) if isinstance(one, Mapping) else str(one)
                yield f"  {what}: {row}"


def _spread(values: Doubles) -> dict[str, float]:
    return {name: round(float(np.quantile(values, share)), 3) for name, share in _QUANTILES.items()} if len(values) else {}


def _hours(lengths: Doubles) -> float:
    return round(float(lengths.sum()) / _SECONDS_PER_HOUR, 3)


# Checks of lines, of the files that they name, and of the content of these

_LARGEST_DIFFERENCE_S = 0.1
_BATCH = 16
"""Entries that a process gets at a time if their files are not decoded."""

_Line = tuple[int, Entry]


@dataclass(frozen=True)
class Checked:
    """The result of checking a manifest."""

    num_entries: int
    problems: list[str]
    """what is wrong, a line each"""


def check_manifest(
    path: Path, root: Path | None = None, is_deep: bool = False, workers: int = 1, progress: Progress = silent
) -> Checked:
    """Check a manifest. root: folder that its paths start from, None = its own. is_deep: decode every file.

    Raises InputError if it is no JSON lines file at all.
    """
    root = path.parent if root is None else root
    problems: list[str] = []
    entries: list[_Line] = []
    seen: dict[str, int] = {}

    for number, row in iter_rows(path):
        try:
            entry = parse_entry(row)
        except (TypeError, ValueError) as error:
            problems.append(f"line {number}: {error}")
            continue
        if entry.id in seen:
            problems.append(f"line {number}: the id {entry.id!r} stands on line {seen[entry.id]} too")
        seen.setdefault(entry.id, number)
        entries.append((number, entry))

    size = 1 if is_deep else _BATCH
    with ProcessPool[_Line, None](_Checker, (root, is_deep), workers) as pool:
        tasks = ((None, PoolTask((tuple(entries[first : first + size]),))) for first in range(0, len(entries), size))
        rows = (  # in the order of completion
            row for one in pool.run(tasks) for row in ([(one.item[0], [one.reason])] if isinstance(one, Lost) else one.result)
        )
        found = dict(track(rows, "checking", progress, len(entries)))
    problems += [f"line {number}: {complaint}" for number, _ in entries for complaint in found[number]]
    return Checked(len(entries), problems)


class _Checker:
    """Checks entries in a process of the pool."""

    def __init__(self, root: Path, is_deep: bool) -> None:
        self._root, self._is_deep = root, is_deep

    def process(self, lines: tuple[_Line, ...]) -> list[tuple[int, list[str]]]:
        """Return the number of each line and the problems of its entry."""
        return [(number, self._problems(entry)) for number, entry in lines]

    def _problems(self, entry: Entry) -> list[str]:
        files = {what: self._root / getattr(entry, what) for what in PATH_FIELDS if getattr(entry, what)}
        missing = [(what, path, why_missing(path)) for what, path in files.items() if not path.is_file()]
        problems = [f"{what} is not there: {path}" + (f"; {why}" if why else "") for what, path, why in missing]
        if not files:
            problems.append("it names no file")

        samples_s, frames_s = float(samples_to_seconds(entry.samples)), float(frames_to_seconds(entry.frames))
        lengths = {"duration_s": entry.duration_s, "frames": frames_s, "samples": samples_s}
        stated = {what: seconds for what, seconds in lengths.items() if seconds}
        if stated and max(stated.values()) - min(stated.values()) > _LARGEST_DIFFERENCE_S:
            problems.append("its lengths differ: " + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in stated.items()))

        if self._is_deep and not problems:
            problems += _contents(entry, files)
        return problems


def _contents(entry: Entry, files: Mapping[str, Path]) -> Iterator[str]:
    # These import OpenCV and the decoders, which nothing else here needs.
    from avcore.faces.boxes import read_boxes
    from avcore.faces.crop import LIP_SIDE
    from avcore.media import iter_speech_blocks, probe, read_gray_video

    try:
        if "audio" in files:
            info, count = probe(files["audio"]), sum(map(len, iter_speech_blocks(files["audio"])))
            if (info.audio_rate, info.audio_channels) != (SAMPLE_RATE, 1):
                rate, channels = info.audio_rate, several(info.audio_channels, "channel")
                yield f"its sound has {rate} Hz and {channels} and not {SAMPLE_RATE} Hz and 1"
            if entry.samples and abs(count - entry.samples) > 1:
                yield f"its sound has {count} samples and not {entry.samples}"

        num_frames = {}
        if "lips" in files:
            lips = read_gray_video(files["lips"])
            num_frames["lips"] = len(lips)
            if lips.shape[1:] != (LIP_SIDE, LIP_SIDE):
                yield f"lips are {lips.shape[2]}x{lips.shape[1]} pixels and not {LIP_SIDE}x{LIP_SIDE}"

        if "boxes" in files:
            num_frames["boxes"] = len(read_boxes(files["boxes"]))
        num_frames |= {what: probe(files[what]).num_frames for what in ("video", "reference") if what in files}
        for what, number in num_frames.items():
            if entry.frames and number != entry.frames:
                yield f"{what} has {several(number, 'frame')} and not {entry.frames}"
    except NetflipsError as error:
        yield str(error)


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(ManifestOptions):
    """Check lines, files and lengths"""

    deep: bool = flag(default=False)
    """decode every file and compare its length with what is stated"""
    workers: int = flag(default=1)
    """processes (default: 1)"""


def _validate(options: ValidateOptions) -> int:
    with bars(options.quiet) as progress:
        checked = check_manifest(options.manifest, options.root, options.deep, options.workers, progress)
    for problem in checked.problems[:_MOST_SHOWN]:
        LOG.warning("%s: %s", options.manifest, problem)
    if len(checked.problems) > _MOST_SHOWN:
        LOG.warning("... and %d more", len(checked.problems) - _MOST_SHOWN)
    LOG.info("%s: %s, %s", options.manifest, several(checked.num_entries, *ENTRIES), several(len(checked.problems), "problem"))
    return EXIT_FAILED if checked.problems or not checked.num_entries else EXIT_DONE


@dataclass(frozen=True, kw_only=True)
class StatsOptions(ManifestOptions):
    """Count entries, hours, speakers, quality"""

    json: bool = flag(default=False)
    """print JSON"""
    report: Path | None = flag(default=None, file=Output("the page"), metavar="HTML")
    """write a page with a histogram of the lengths"""
    pairs_with: Path | None = flag(default=None, file=Input("the other side"), metavar="MANIFEST")
    """and of their ratios, for equal ids"""


def _stats(options: StatsOptions) -> None:
    manifest = options.read()
    counts = count(manifest.entries)
    if options.pairs_with is not None and options.report is None:
        raise UsageError("--pairs-with belongs to --report", hint="name the page: --report lengths.html")

    if options.report is not None:
        sides = {str(options.manifest): lengths_by_id(manifest)}
        if options.pairs_with is not None:
            sides[str(options.pairs_with)] = lengths_by_id(read_manifest(options.pairs_with))
        for title, words in write_lengths(options.report, sides).items():
            LOG.info("%s: %s", title, words)
    print_text(json.dumps(counts, ensure_ascii=False, indent=1) if options.json else "\n".join(map(shown, describe(counts))))


# Dividing and joining


@dataclass(frozen=True, kw_only=True)
class SplitOptions(ManifestOptions):
    """Divide a manifest"""

    out_dir: Path | None = flag(default=None, metavar="DIR")
    """folder for train.jsonl, valid.jsonl, ... (default: its own)"""
    by: str = flag(default="", metavar="FIELD")
    """a manifest for each value of a field, as `split`"""
    valid: float = flag(default=0.0)
    """hold out a share, or a number, for validation"""
    test: float = flag(default=0.0)
    """the same for the test split"""
    apart: str = flag(default="", metavar="FIELDS")
    """entries equal in one of these fields stay in one split, as `speaker,text`"""
    seed: int = flag(default=0)
    """changes what is held out (default: 0)"""


def _split(options: SplitOptions) -> None:
    if bool(options.by) == bool(options.valid or options.test):
        raise UsageError("say how to divide", expected="--by FIELD, or --valid and --test")

    folder = options.out_dir or options.manifest.parent
    entries = moved(options.read(), folder)
    if options.by:
        parts = by_field(entries, options.by)
    else:
        apart = [name.strip() for name in options.apart.split(",") if name.strip()]
        parts = at_random(entries, SplitPlan(options.valid, options.test, options.seed), apart)

    check_files((), {"the manifest": options.manifest}, {"a part": [folder / f"{name}.jsonl" for name in parts]})
    for name, part in parts.items():
        LOG.info("%s: %s", folder / f"{name}.jsonl", several(write_manifest(folder / f"{name}.jsonl", part), *ENTRIES))


@dataclass(frozen=True, kw_only=True)
class MergeOptions(QuietOptions):
    """Join manifests"""

    manifests: tuple[Path, ...] = positional("MANIFEST", file=Input("a manifest"))
    out: Path = out_flag("the output", metavar="PATH")
    prefix: bool = flag(default=False)
    """begin ids with the name of their manifest's folder"""


def _merge(options: MergeOptions) -> None:
    entries = merge(options.manifests, options.out.parent, options.prefix)
    LOG.info("%s: %s", options.out, several(write_manifest(options.out, entries), *ENTRIES))


_COMMANDS = Commands(
    "netflips manifest",
    "Check, count, divide, join and convert manifests.",
    {
        "validate": Command(ValidateOptions, "netflips manifest validate", _validate),
        "stats": Command(StatsOptions, "netflips manifest stats", _stats),
        "split": Command(SplitOptions, "netflips manifest split", _split),
        "merge": Command(MergeOptions, "netflips manifest merge", _merge),
        **CONVERSIONS,
    },
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main
