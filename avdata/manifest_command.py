"""`netflips manifest`: check, count, divide and join manifests, and change from and to the published forms."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from avcore.arrays import Doubles
from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.errors import EXIT_DONE, EXIT_FAILED, UsageError
from avcore.files import Input, Output, check_files, write_text
from avcore.loading import loading
from avcore.notes import print_text, several, shown
from avcore.progress import bars
from avdata.manifest import PATH_FIELDS, Entry, Manifest, read_manifest, write_manifest
from avdata.published.conversions import CONVERSIONS, Subcommand, add_input, add_output, words
from avdata.splits import SplitPlan, at_random, by_field, merge, moved

# Lengths as a page: a histogram of seconds, and with the other side of pairs one of ratios

_BARS, _WIDTH, _HEIGHT, _GAP = 40, 800, 220, 24
_SHARES = (0.05, 0.5, 0.95)
_MOST = 0.995
"""Share of the values that lie within the picture; longer ones are counted in its last bar."""
_STYLE = (
    "body{font:16px system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "svg{width:100%;height:auto}rect{fill:#3b6ea5}line{stroke:#888}text{font-size:13px;fill:#444}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}text{fill:#bbb}rect{fill:#7fb0e6}}"
)


def lengths_by_id(manifest: Manifest) -> dict[str, float]:
    """Return the stated seconds of each entry that states them, by id."""
    return {entry.id: entry.seconds for entry in manifest.entries if entry.seconds}


def write_lengths(out: Path, sides: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Write a page with a histogram of each side's lengths and, of two, one of their ratios (second to first) for equal ids.

    sides: seconds by id, by the name of their manifest. Returns what each shows, in words, by its title. Raises OutputError.
    """
    shown = {f"{name}: seconds": np.array([*lengths.values()]) for name, lengths in sides.items()}
    if len(sides) > 1:
        (first, ours), (second, theirs) = sides.items()
        both = [name for name in ours if name in theirs]
        shown[f"{second} to {first}: ratio of lengths"] = np.array([theirs[name] / ours[name] for name in both])
    words = {title: _figures_in_words(values) for title, values in shown.items()}
    parts = [f"<h2>{escape(title)}</h2><p>{words[title]}</p>{''.join(_bars(values))}" for title, values in shown.items()]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Lengths</title><style>{_STYLE}</style>'
    write_text(out, f"{head}<h1>Lengths</h1>{''.join(parts)}</html>\n")
    return words


def _figures_in_words(values: Doubles) -> str:
    if not len(values):
        return "no lengths"
    quantiles = ", ".join(f"{share:.0%} below {np.quantile(values, share):.2f}" for share in _SHARES)
    return f"{several(len(values), 'value')}: {quantiles}; most {values.max():.2f}"


def _bars(values: Doubles) -> Iterator[str]:
    """Yield a histogram as SVG."""
    if not len(values):
        return
    top = float(np.quantile(values, _MOST)) or 1.0
    counts, edges = np.histogram(np.minimum(values, top), _BARS, (0.0, top))
    width, scale = _WIDTH / _BARS, _HEIGHT / counts.max()
    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _GAP}" role="img">'
    for place, number in enumerate(counts.tolist()):
        height = number * scale
        told = f"{edges[place]:.2f} to {edges[place + 1]:.2f}: {number}"
        yield f'<rect x="{place * width:.1f}" y="{_HEIGHT - height:.1f}" width="{width - 1:.1f}" height="{height:.1f}">'
        yield f"<title>{told}</title></rect>"
    yield f'<line x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="{_HEIGHT}"/>'
    for share, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")):
        at = edges[0] + share * (edges[-1] - edges[0])
        yield f'<text x="{share * _WIDTH:.0f}" y="{_HEIGHT + 17}" text-anchor="{anchor}">{at:.2f}</text>'
    yield "</svg>"


# Counts

_QUANTILES = {"least": 0.0, "median": 0.5, "most": 1.0}
_SECONDS_PER_HOUR = 3600
_MOST_VALUES = 20
_MOST_SHOWN = 50
_ENTRIES = ("entry", "entries")


def count(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return counts and hours, in all and by language and split; lengths and quality from least to most."""
    lengths = np.array([entry.seconds for entry in entries])
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
    """Yield the counts as lines of text."""
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


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="netflips manifest", description="Check, count, divide, join and convert manifests.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        one = commands.add_parser(name, help=command.purpose, description=command.purpose)
        command.add(one)
        add_quiet_options(one)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), lambda options: _COMMANDS[options.command].work(options), argv)


# Checking and counting


def _add_validate(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    parser.add_argument("--deep", action="store_true", help="decode every file and compare its length with what is stated")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")


def _validate(options: argparse.Namespace) -> int:
    with loading():
        from avdata.checks import check_manifest

    with bars(options.quiet) as progress:
        checked = check_manifest(options.manifest, options.root, options.deep, options.workers, progress)
    for problem in checked.problems[:_MOST_SHOWN]:
        LOG.warning("%s: %s", options.manifest, problem)
    if len(checked.problems) > _MOST_SHOWN:
        LOG.warning("... and %d more", len(checked.problems) - _MOST_SHOWN)
    LOG.info("%s: %s, %s", options.manifest, several(checked.num_entries, *_ENTRIES), several(len(checked.problems), "problem"))
    return EXIT_FAILED if checked.problems or not checked.num_entries else EXIT_DONE


def _add_stats(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--report", type=Output("the page"), metavar="HTML", help="write a page with a histogram of the lengths")
    parser.add_argument("--pairs-with", type=Input("the other side"), metavar="MANIFEST", help="and of their ratios, for equal ids")


def _stats(options: argparse.Namespace) -> None:
    manifest = read_manifest(options.manifest, options.root)
    counts = count(manifest.entries)
    if options.pairs_with is not None and options.report is None:
        raise UsageError("--pairs-with belongs to --report", hint="name the page: --report lengths.html")
    if options.report is not None:
        sides = {str(options.manifest): lengths_by_id(manifest)}
        if options.pairs_with is not None:
            sides[str(options.pairs_with)] = lengths_by_id(read_manifest(options.pairs_with))
        for title, words in write_lengths(options.report, sides).items():
            LOG.info("%s: %s", title, words)
    text = json.dumps(counts, ensure_ascii=False, indent=1) if options.json else "\n".join(map(shown, describe(counts)))
    print_text(text)


# Dividing and joining


def _add_split(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    parser.add_argument("--out-dir", type=Path, metavar="DIR", help="folder for train.jsonl, valid.jsonl, ... (default: its own)")
    parser.add_argument("--by", default="", metavar="FIELD", help="a manifest for each value of a field, as `split`")
    parser.add_argument("--valid", type=float, default=0.0, metavar="X", help="hold out a share, or a number, for validation")
    parser.add_argument("--test", type=float, default=0.0, metavar="X", help="the same for the test split")
    parser.add_argument(
        "--apart", default="", metavar="FIELDS", help="entries equal in one of these fields stay in one split, as `speaker,text`"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="changes what is held out (default: 0)")


def _split(options: argparse.Namespace) -> None:
    if bool(options.by) == bool(options.valid or options.test):
        raise UsageError("say how to divide", expected="--by FIELD, or --valid and --test")
    manifest = read_manifest(options.manifest, options.root)
    folder = options.out_dir or options.manifest.parent
    entries = moved(manifest, folder)
    if options.by:
        parts = by_field(entries, options.by)
    else:
        parts = at_random(entries, SplitPlan(options.valid, options.test, options.seed), words(options.apart))
    check_files((), {"the manifest": options.manifest}, {"a part": [folder / f"{name}.jsonl" for name in parts]})
    for name, part in parts.items():
        LOG.info("%s: %s", folder / f"{name}.jsonl", several(write_manifest(folder / f"{name}.jsonl", part), *_ENTRIES))


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifests", type=Input("a manifest"), nargs="+", metavar="MANIFEST")
    add_output(parser)
    parser.add_argument("--prefix", action="store_true", help="begin ids with the name of their manifest's folder")


def _merge(options: argparse.Namespace) -> None:
    entries = merge(options.manifests, options.out.parent, options.prefix)
    LOG.info("%s: %s", options.out, several(write_manifest(options.out, entries), *_ENTRIES))


_COMMANDS: dict[str, Subcommand] = {
    "validate": Subcommand("check lines, files and lengths", _add_validate, _validate),
    "stats": Subcommand("count entries, hours, speakers, quality", _add_stats, _stats),
    "split": Subcommand("divide a manifest", _add_split, _split),
    "merge": Subcommand("join manifests", _add_merge, _merge),
    **CONVERSIONS,
}
