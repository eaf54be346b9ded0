"""Label a corpus with a k-means model: clip after clip in a journal, then the forms that training reads, and a report."""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.clustering.config import KMeansConfig
from av2unit.clustering.features import FeatureStream
from av2unit.clustering.quantizer import Quantizer
from av2unit.extractor import UnitExtractor
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import atomic_output, keep_apart, require_writable, write_text
from avcore.journal import append, iter_rows, repair, write_rows
from avcore.notes import several
from avcore.progress import Progress
from avcore.timeline import FRAME_RATE, UNIT_RATE, UNITS_PER_FRAME
from avcore.units import Ids, Units, format_units
from avdata.corpus import read_corpus
from avdata.unit_store import UnitRow, write_units
from avtrain.data import BadItem, BadItems, LoadedBatch

LOG = logging.getLogger("netflips.kmeans")

HEADS = ("even", "odd")
LABELS_PART = "labels.part"
"""Ending of the labels that are being made."""
_SAFE_EVERY_S = 10.0


def label_corpus(config: KMeansConfig, quantizer: Quantizer, extractor: UnitExtractor | None, progress: Progress) -> dict[str, Any]:
    """Label the corpus, write what `write_results` says into `out_dir`, and return the report.

    Work that was broken off goes on where it stopped.
    """
    if not config.out_dir:
        raise UsageError("labels need a folder", expected="out_dir")
    folder, corpus = Path(config.out_dir), read_corpus(config.manifest, config.root or None)
    outputs = {"a file of labels": result_files(folder, corpus.split)}
    keep_apart(outputs, {"the manifest": corpus.path, "an input": [one for one in (config.model, config.checkpoint) if one]})
    stream = FeatureStream(corpus, quantizer.feature_config, extractor, config.num_workers)
    head = {
        "vocabulary": quantizer.vocabulary,
        "manifest": corpus.path.name,
        "clips": len(stream),
        "duration_penalty": config.duration_penalty,
    }
    bad = BadItems(config.max_bad_share)
    with LabelJournal(folder / f"{corpus.split}.{LABELS_PART}", head, [clip.id for clip in corpus.clips]) as journal:
        num_done = len(stream) - len(journal.missing)
        if num_done:
            LOG.info("going on behind %d of %d clips with %s", num_done, len(stream), journal.path)
        for count, (number, features) in enumerate(stream.of(journal.missing), num_done + 1):
            progress("labelling", count, len(stream))
            if isinstance(features, BadItem):
                bad.note(LoadedBatch(None, (features,), 0))
                journal.add_bad(features.name, features.reason)
            else:
                bad.note(LoadedBatch(None, (), 1))
                journal.add(corpus.clips[number].id, *quantizer.assign(features, config.duration_penalty))
        rate = quantizer.feature_config.label_rate
        about = Labelled(corpus.split, len(quantizer.centres), quantizer.vocabulary, config.language, rate)
        report = write_results(folder, journal, about)
    journal.path.unlink()
    return report


class LabelJournal:
    """A file of JSON lines: a head that says what the labels are of, then one line for each clip.

    Work that was broken off goes on with the clips that are not in it.

    missing: numbers of the clips that are not in it, in order.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], names: Sequence[str]) -> None:
        """Begin the file, or take from it what was not written whole. names: of all clips, in order.

        Raises OutputError when it was begun with another head, or names other clips.
        """
        self.path = require_writable(path, "the labels")
        self._names = names
        self._waiting: list[dict[str, Any]] = []
        self._safe_at = time.monotonic()
        if not path.exists() or path.stat().st_size == 0:
            write_rows(path, [head])
        self._require_head(head)
        repair(path)
        found = [str(row.get("id")) for row in self._rows()]
        self._is_in_order = found == list(names[: len(found)])
        there, wanted = set(found), set(names)
        if there - wanted:
            raise self._other(f"a clip {sorted(there - wanted)[0]!r} that is not in the manifest")
        self.missing = [number for number, name in enumerate(names) if name not in there]

    def __enter__(self) -> "LabelJournal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._write()

    def add(self, name: str, labels: Ids, distance: float) -> None:
        """Append the labels of a clip, int64 [N], and the sum of what they cost."""
        self._add({"id": name, "labels": format_units(labels), "distance": round(distance, 4)})

    def add_bad(self, name: str, reason: str) -> None:
        """Append a clip that could not be labelled."""
        self._add({"id": name, "error": reason})

    def rows(self) -> Iterator[tuple[dict[str, Any], Ids]]:
        """Yield each clip's line and its labels, int64 [N], none for a bad clip; in the order of the clips."""
        self._write()
        if not self._is_in_order:
            self._put_in_order()
        for row in self._rows():
            yield row, np.array(row.get("labels", "").split(), dtype=np.int64)

    def _add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        if time.monotonic() - self._safe_at > _SAFE_EVERY_S:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            append(self.path, self._waiting, is_sealed=True)
        self._waiting = []
        self._safe_at = time.monotonic()

    def _rows(self) -> Iterator[dict[str, Any]]:
        return (row for number, row in iter_rows(self.path) if number > 1)

    def _put_in_order(self) -> None:
        """Write the file anew: lines that were damaged were made again, and stand at its end."""
        places = {name: place for place, name in enumerate(self._names)}
        with self.path.open("rb") as file, atomic_output(self.path) as temporary, temporary.open("wb") as copy:
            copy.write(file.readline())
            at, order = file.tell(), list[tuple[int, int]]()
            for line in file:
                order.append((places[json.loads(line)["id"]], at))
                at += len(line)
            for _, place in sorted(order):
                file.seek(place)
                copy.write(file.readline())
        self._is_in_order = True

    def _require_head(self, head: Mapping[str, Any]) -> None:
        with self.path.open("rb") as file:
            first = file.readline()
        try:
            is_same = json.loads(first) == head
        except ValueError:
            is_same = False
        if not is_same:
            raise self._other(first.decode(errors="replace").strip()[:200], json.dumps(head))

    def _other(self, found: str, expected: str | None = None) -> OutputError:
        return OutputError(
            "labels that were begun here are of another model or manifest",
            path=self.path,
            expected=expected,
            found=found,
            hint="delete the file, or give another out_dir",
        )


# What training reads


@dataclass(frozen=True)
class Labelled:
    """What the labels in a journal are. num_units: size of the dictionary. label_rate: labels a second, 50 or 25."""

    split: str
    num_units: int
    vocabulary: str
    language: str
    label_rate: int


def result_files(folder: Path, split: str) -> list[Path]:
    """Return all that labelling a split writes into a folder."""
    kinds = ("km", *(f"{head}.km" for head in HEADS))
    own = [f"{split}.{ending}" for ending in ("units.jsonl", "report.json", LABELS_PART, *kinds)]
    return [folder / name for name in (*own, *(f"dict.{kind}.txt" for kind in kinds))]


def write_results(folder: Path, journal: LabelJournal, about: Labelled) -> dict[str, Any]:
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
        "%s: %s labelled (%d not), %.4g a label, perplexity %.1f, runs of %.0f ms",
        folder,
        several(report["clips"], "clip"),
        len(report["bad_clips"]),
        report["inertia"],
        report["perplexity"],
        report["mean_run_ms"],
    )
    return report


def _report(journal: LabelJournal, about: Labelled) -> dict[str, Any]:
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


def _unit_rows(journal: LabelJournal, about: Labelled, is_slow: bool) -> Iterator[UnitRow]:
    for row, labels in journal.rows():
        if len(labels):
            frames = np.repeat(labels, UNITS_PER_FRAME) if is_slow else labels
            yield UnitRow(row["id"], Units.from_frames(frames, about.language, about.vocabulary), {})


def _write_lines(path: Path, lines: Iterator[Ids]) -> None:
    with atomic_output(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(format_units(line) + "\n")


class LabelCounts:
    """Counts labels and runs of equal ones, clip after clip."""

    def __init__(self, num_clusters: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros(num_clusters, dtype=np.int64)
        self._runs = 0

    def add(self, ids: NDArray[np.int64]) -> None:
        """Count the labels of one clip, int64 of shape [N], one for each step."""
        self.counts += np.bincount(ids, minlength=len(self.counts))
        self._runs += 1 + int((np.diff(ids) != 0).sum()) if len(ids) else 0

    def report(self, label_rate: int = UNIT_RATE) -> dict[str, Any]:
        """Return counts, clusters without a label, the largest share, the perplexity, and the mean length of a run in ms."""
        total = int(self.counts.sum())
        shares = self.counts[self.counts > 0] / max(1, total)
        return {
            "labels": total,
            "perplexity": round(float(np.exp(-(shares * np.log(shares)).sum())), 2) if total else 0.0,
            "unused_clusters": int((self.counts == 0).sum()),
            "largest_share": round(float(shares.max()), 4) if total else 0.0,
            "mean_run_ms": round(1000 * total / label_rate / self._runs, 1) if self._runs else 0.0,
            "counts": self.counts.tolist(),
        }
