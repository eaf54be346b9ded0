"""How well text is read: `python -m unit2text.evaluate manifest.jsonl --units units.jsonl --unit2text-path reader.safetensors`.

Word and character error rates, for each language, with the interval in which they lie at 95 % (bootstrap over utterances).
"""

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.command import LOG
from avcore.data.manifest import Entry, Manifest, read_manifest
from avcore.data.unit_store import iter_units, timed_units
from avcore.errors import InputError, UsageError
from avcore.files import Input, Output, write_text
from avcore.flags import Command, CommonOptions, flag, positional
from avcore.journal import write_rows
from avcore.loading import loading
from avcore.notes import aligned, json_text, print_text, several
from avcore.progress import bars
from avcore.statistics import Figure, bootstrap
from unit2text.stage import LIPS, UNITS
from unit2text.text import VERSION, Count, character_errors, normalise_for_reading, word_errors

if TYPE_CHECKING:
    from unit2text.unit_reader import UnitReader

_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(CommonOptions):
    """Word and character error rates of a unit-to-text model."""

    manifest: Path = positional("MANIFEST", file=Input("the manifest"))
    """JSON lines with id, text, language; for readers of lips, lips too"""
    units: Path | None = flag(default=None, file=Input("the units", may_be_folder=True), metavar="PATH")
    """units by id: JSON lines or a folder of unit files"""
    frame_level: bool = flag(default=False)
    """units without durations are one id every 20 ms"""
    unit2text_path: Path = flag(file=Input("the unit-to-text model"))
    """unit-to-text model: our own, or finetuned.pt"""
    raw: bool = flag(default=False)
    """compare texts as they are, only lower-case, as the published script does"""
    out: Path | None = flag(default=None, file=Output("the figures"))
    """write the figures as JSON too"""
    texts: Path | None = flag(default=None, file=Output("the texts"))
    """write what was read of each utterance, JSON lines"""
    allow_missing: bool = flag(default=False)
    """leave out utterances without units or text"""


def figures(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Figure]]:
    """WER and CER by language, and over all where there are several. rows: language, words and characters (Count) of utterances."""
    languages = sorted({row["language"] for row in rows})
    found: dict[str, dict[str, Figure]] = {}
    for name in (*languages, *([_ALL] if len(languages) > 1 else [])):
        group = [row for row in rows if name in (_ALL, row["language"])]
        counted = {measure: [row[part] for row in group] for measure, part in (("wer", "words"), ("cer", "characters"))}
        found[name] = {
            measure: bootstrap([one.errors for one in counts], [one.length for one in counts])
            for measure, counts in counted.items()
            if sum(one.length for one in counts)
        }

    return found


def compare_texts(reference: str, found: str, is_raw: bool = False) -> tuple[Count, Count]:
    """Errors in words and in characters, of texts made comparable (or only lower-case)."""
    wanted, given = (text.lower() if is_raw else normalise_for_reading(text) for text in (reference, found))
    return word_errors(wanted, given), character_errors(wanted, given)


def _work(options: EvaluateOptions) -> None:
    manifest = read_manifest(options.manifest)
    with loading():
        from unit2text.unit_reader import UnitReader

    reader = UnitReader.from_checkpoint(options.unit2text_path, options.device, options.precision)
    if reader.takes not in (UNITS, LIPS):
        expected = f"a reader of {UNITS} or {LIPS}"
        raise UsageError("the units of pre-training are in no manifest", expected=expected, found=reader.takes)

    material = list(_material(manifest, reader, options))
    rows: list[dict[str, Any]] = []
    with bars(options.quiet) as progress:
        for number, (entry, read_input) in enumerate(material):
            progress("read", number, len(material))
            found = reader.read(read_input(), entry.language)
            words, characters = compare_texts(entry.text, found.text, options.raw)
            rows.append({
                "id": entry.id, "language": entry.language, "reference": entry.text, "found": found.text,
                "confidence": round(found.confidence, 4), "words": words, "characters": characters,
            })  # fmt: skip

    measured = figures(rows)
    lines = [("language", "utterances", "WER", "CER")]
    for name, part in measured.items():
        wer, cer = (_cell(part.get(measure)) for measure in ("wer", "cer"))
        lines.append((name, str(max((one.n for one in part.values()), default=0)), wer, cer))

    print_text(aligned(lines).rstrip("\n"))
    if options.texts is not None:
        write_rows(options.texts, [row | {part: row[part]._asdict() for part in ("words", "characters")} for row in rows])

    if options.out is not None:
        content = {name: {measure: asdict(figure) for measure, figure in part.items()} for name, part in measured.items()}
        about = {"normalisation": "lower" if options.raw else VERSION, "reader": reader.fingerprint}
        write_text(options.out, json_text(about | {"languages": content}, indent=1) + "\n")
    LOG.info("texts compared as: %s", "lower-case only" if options.raw else VERSION)


def _material(manifest: Manifest, reader: "UnitReader", options: EvaluateOptions) -> Iterator[tuple[Entry, Any]]:
    """Entries with what gives their units or lips when it is called. Raises InputError naming those that lack something."""
    known = {entry.id: entry for entry in manifest.entries if entry.text.strip() and entry.language}
    if reader.takes == LIPS:
        has = {name for name, entry in known.items() if entry.lips}
        sources = {name: _lips_of(manifest, known[name]) for name in has}
    else:
        if options.units is None:
            raise UsageError("this unit-to-text model reads units", expected="--units PATH")
        rows = (row for row in iter_units(options.units) if row.id in known)
        sources = {row.id: partial(copy, timed_units(row, f"{options.units}: {row.id}", options.frame_level)) for row in rows}

    lacking = [entry.id for entry in manifest.entries if entry.id not in sources]
    if lacking:
        what = f"{several(len(lacking), 'utterance')} without text, language or {'lips' if reader.takes == LIPS else 'units'}"
        if not options.allow_missing:
            raise InputError(what, path=options.manifest, found=", ".join(lacking[:5]), hint="--allow-missing leaves them out")
        LOG.warning("%s: %s, left out: %s", options.manifest, what, ", ".join(lacking[:5]))

    if not sources:
        raise InputError("there is nothing to read", path=options.manifest)
    for entry in manifest.entries:
        if entry.id in sources:
            reader.require_language(entry.language)
            yield entry, sources[entry.id]


def _lips_of(manifest: Manifest, entry: Entry) -> Any:
    from avcore.media import read_gray_video

    path = manifest.path(entry, "lips")
    assert path is not None  # as was looked for
    return lambda: read_gray_video(path)


def _cell(figure: Figure | None) -> str:
    """Return a figure with its interval, which a single utterance does not have."""
    if figure is None:
        return "-"
    return f"{figure.value:.4f}" + (f" ({figure.low:.3f}-{figure.high:.3f})" if isfinite(figure.low) else "")


_COMMAND = Command(EvaluateOptions, "unit2text.evaluate", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
