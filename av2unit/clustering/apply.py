"""Label a corpus with a k-means model: units by id, and the published label files.

Labels are first appended, clip after clip, to one file; when all are there, the results are written from it. Work that
was broken off goes on behind the last whole line.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from av2unit.clustering.config import KMeansConfig
from av2unit.clustering.distribution import LabelCounts
from av2unit.clustering.quantizer import Quantizer
from av2unit.clustering.stream import ClipFeatures, FeatureStream
from av2unit.corpus import Corpus, read_corpus
from av2unit.extractor import UnitExtractor
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import atomic_output, require_writable, write_text
from avcore.manifest import iter_rows
from avcore.progress import Progress
from avcore.timeline import FRAME_RATE, UNITS_PER_FRAME
from avcore.unit_store import UnitRow, write_units
from avcore.units import Ids, Units, format_units
from avtrain.data import BadItem, BadItems, Batch

LOG = logging.getLogger("netflips.kmeans")

HEADS = ("even", "odd")


def apply(config: KMeansConfig, quantizer: Quantizer, extractor: UnitExtractor | None, progress: Progress) -> dict[str, Any]:
    """Label the corpus and write `<split>.units.jsonl`, `<split>[.even|.odd].km`, `dict[...].km.txt` and a report; returns it.

    A clip that cannot be read has no row among the units and an empty line in the .km files.
    """
    if not config.out_dir:
        raise UsageError("labels need a folder", expected="out_dir")
    folder = Path(config.out_dir)
    corpus = read_corpus(config.manifest, config.root or None)
    part = require_writable(folder / f"{corpus.split}.labels.part", "the labels")
    head = {
        "vocabulary": quantizer.vocabulary, "manifest": corpus.path.name, "clips": len(corpus.clips),
        "duration_penalty": config.duration_penalty,
    }  # fmt: skip
    done = _whole_lines(part, head)
    if done:
        LOG.info("going on at clip %d of %d with %s", done, len(corpus.clips), part)
    stream = FeatureStream(corpus, quantizer.feature_config, extractor, config.num_workers)
    bad = BadItems(config.max_bad_share)
    with part.open("a", encoding="utf-8") as file:
        for clip in stream.start(done):
            progress("labelling", clip.number + 1, len(stream))
            is_bad = isinstance(clip.features, BadItem)
            bad.note(Batch(None, (clip.features,) if isinstance(clip.features, BadItem) else (), 0 if is_bad else 1))
            file.write(json.dumps(_label(clip, corpus, quantizer, config.duration_penalty)) + "\n")
            if (clip.number + 1) % config.save_every == 0:
                file.flush()
    report = _write_results(folder, corpus, part, quantizer, config)
    part.unlink()
    return report


def _label(clip: ClipFeatures, corpus: Corpus, quantizer: Quantizer, duration_penalty: float) -> dict[str, Any]:
    name = corpus.clips[clip.number].id
    if isinstance(clip.features, BadItem):
        return {"id": name, "error": clip.features.reason}
    ids, distance = quantizer.assign(clip.features, duration_penalty)
    return {"id": name, "labels": format_units(ids), "distance": round(distance, 4)}


def _whole_lines(part: Path, head: dict[str, Any]) -> int:
    """Cut off a half-written line at the end, or begin the file; returns how many clips are labelled in it.

    Raises OutputError when it was begun with another model or manifest.
    """
    if not part.exists() or part.stat().st_size == 0:
        part.write_text(json.dumps(head) + "\n", encoding="utf-8")
        return 0
    with part.open("rb+") as file:
        first = file.readline()
        if first != (json.dumps(head) + "\n").encode():
            raise OutputError(
                "labels that were begun here are of another model or manifest", path=part, expected=json.dumps(head),
                found=first.decode(errors="replace").strip()[:200], hint="delete the file, or give another out_dir",
            )  # fmt: skip
        count, end = 0, file.tell()
        for line in file:
            if not line.endswith(b"\n"):
                break
            count, end = count + 1, end + len(line)
        file.truncate(end)
    return count


def _rows(part: Path) -> Iterator[tuple[dict[str, Any], Ids]]:
    """Each clip's row and labels (none for a bad clip)."""
    for number, row in iter_rows(part):
        if number > 1:
            yield row, np.array(row.get("labels", "").split(), dtype=np.int64)


def _write_results(folder: Path, corpus: Corpus, part: Path, quantizer: Quantizer, config: KMeansConfig) -> dict[str, Any]:
    label_rate = quantizer.feature_config.label_rate
    is_slow = label_rate == FRAME_RATE
    counts, bad, distance = LabelCounts(len(quantizer.centres)), {}, 0.0
    for row, labels in _rows(part):
        counts.add(labels)
        distance += row.get("distance", 0.0)
        if "error" in row:
            bad[row["id"]] = row["error"]
    if not counts.counts.any():
        raise InputError("no clip could be labelled", path=config.manifest, found=next(iter(bad.items()), None))
    split = corpus.split
    write_units(folder / f"{split}.units.jsonl", _unit_rows(part, is_slow, config.language, quantizer.vocabulary))
    _write_lines(folder / f"{split}.km", (labels for _, labels in _rows(part)))
    for number, head in enumerate(HEADS):
        _write_lines(
            folder / f"{split}.{head}.km", (labels if is_slow else labels[number::UNITS_PER_FRAME] for _, labels in _rows(part))
        )
    symbols = "".join(f"{unit} {max(1, count)}\n" for unit, count in enumerate(counts.counts.tolist()))
    for name in ("km", *(f"{head}.km" for head in HEADS)):
        write_text(folder / f"dict.{name}.txt", symbols)
    report = {"vocabulary": quantizer.vocabulary, "clips": len(corpus.clips) - len(bad), "label_rate": label_rate, "bad_clips": bad}
    report |= {"inertia": distance / counts.counts.sum()} | counts.report(label_rate)
    write_text(folder / f"{split}.report.json", json.dumps(report, indent=1) + "\n")
    LOG.info(
        "%s: %d clips labelled (%d not), inertia %.4g a frame, perplexity %.1f, runs of %.0f ms",
        folder, report["clips"], len(bad), report["inertia"], report["perplexity"], report["mean_run_ms"],
    )  # fmt: skip
    return report


def _unit_rows(part: Path, is_slow: bool, language: str, vocabulary: str) -> Iterator[UnitRow]:
    for row, labels in _rows(part):
        if len(labels):
            frames = np.repeat(labels, UNITS_PER_FRAME) if is_slow else labels
            yield UnitRow(row["id"], Units.from_frames(frames, language, vocabulary), {})


def _write_lines(path: Path, lines: Iterator[Ids]) -> None:
    with atomic_output(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(format_units(line) + "\n")
