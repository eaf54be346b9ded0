"""Labels of a corpus in the forms that training reads: units by id, the published label files, and a report."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from av2unit.clustering.distribution import LabelCounts
from av2unit.clustering.journal import Journal
from avcore.errors import InputError
from avcore.files import atomic_output, write_text
from avcore.timeline import FRAME_RATE, UNITS_PER_FRAME
from avcore.units import Ids, Units, format_units
from avdata.unit_store import UnitRow, write_units

LOG = logging.getLogger("netflips.kmeans")

HEADS = ("even", "odd")
LABELS_PART = "labels.part"
"""Ending of the labels that are being made."""


@dataclass(frozen=True)
class Labelled:
    """What the labels in a journal are. num_units: size of the dictionary. label_rate: labels a second, 50 or 25."""

    split: str
    num_units: int
    vocabulary: str
    language: str
    label_rate: int


def result_files(folder: Path, split: str) -> list[Path]:
    """All that labelling a split writes into a folder."""
    kinds = ("km", *(f"{head}.km" for head in HEADS))
    own = [f"{split}.{ending}" for ending in ("units.jsonl", "report.json", LABELS_PART, *kinds)]
    return [folder / name for name in (*own, *(f"dict.{kind}.txt" for kind in kinds))]


def write_results(folder: Path, journal: Journal, about: Labelled) -> dict[str, Any]:
    """Write `<split>.units.jsonl`, `<split>[.even|.odd].km`, `dict[...].km.txt` and `<split>.report.json`; returns the report.

    A clip without labels has no row among the units and an empty line in the .km files. Raises InputError when none has any.
    """
    report = _report(journal, about)
    is_slow = about.label_rate == FRAME_RATE
    write_units(folder / f"{about.split}.units.jsonl", _unit_rows(journal, about, is_slow))
    _write_lines(folder / f"{about.split}.km", (labels for _, labels in journal.rows()))
    for number, head in enumerate(HEADS):
        lines = (labels if is_slow else labels[number::UNITS_PER_FRAME] for _, labels in journal.rows())
        _write_lines(folder / f"{about.split}.{head}.km", lines)
    symbols = "".join(f"{unit} {max(1, count)}\n" for unit, count in enumerate(report["counts"]))
    for name in ("km", *(f"{head}.km" for head in HEADS)):
        write_text(folder / f"dict.{name}.txt", symbols)
    write_text(folder / f"{about.split}.report.json", json.dumps(report, indent=1) + "\n")
    LOG.info(
        "%s: %d clips labelled (%d not), %.4g a label, perplexity %.1f, runs of %.0f ms",
        folder, report["clips"], len(report["bad_clips"]), report["inertia"], report["perplexity"], report["mean_run_ms"],
    )  # fmt: skip
    return report


def _report(journal: Journal, about: Labelled) -> dict[str, Any]:
    counts, clips, distance = LabelCounts(about.num_units), 0, 0.0
    bad: dict[str, str] = {}
    for row, labels in journal.rows():
        counts.add(labels)
        clips += "error" not in row
        distance += row.get("distance", 0.0)
        if "error" in row:
            bad[row["id"]] = row["error"]
    if not counts.counts.any():
        raise InputError("no clip could be labelled", path=journal.path, found=next(iter(bad.items()), None))
    report = {"vocabulary": about.vocabulary, "clips": clips, "bad_clips": bad, "label_rate": about.label_rate}
    return report | {"inertia": distance / int(counts.counts.sum())} | counts.report(about.label_rate)


def _unit_rows(journal: Journal, about: Labelled, is_slow: bool) -> Iterator[UnitRow]:
    for row, labels in journal.rows():
        if len(labels):
            frames = np.repeat(labels, UNITS_PER_FRAME) if is_slow else labels
            yield UnitRow(row["id"], Units.from_frames(frames, about.language, about.vocabulary), {})


def _write_lines(path: Path, lines: Iterator[Ids]) -> None:
    with atomic_output(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(format_units(line) + "\n")
