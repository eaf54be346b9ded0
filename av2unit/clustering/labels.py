"""Label a corpus with a k-means model (`x.safetensors`, `x.json`), and write labels in the formats of training, and a report."""

import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save_file

from av2unit.clustering.config import FeatureConfig, KMeansConfig
from av2unit.clustering.features import FeatureStream
from av2unit.extractor import UnitExtractor, viterbi
from avcore.arrays import Floats
from avcore.data.corpus import read_corpus
from avcore.data.unit_store import UnitRow, write_units
from avcore.errors import CheckpointError, InputError, OutputError, UsageError
from avcore.files import atomic_output, keep_apart, require_file, write_text
from avcore.journal import iter_rows, write_rows
from avcore.notes import several
from avcore.progress import Progress
from avcore.texts import read_json
from avcore.timeline import FRAME_RATE, UNIT_RATE, UNITS_PER_FRAME
from avcore.train.data import BadItem, BadItems, LoadedBatch
from avcore.units import Ids, Units, fingerprint, format_units

_FORMAT = "netflips-kmeans-1"
LOG = logging.getLogger("netflips.kmeans")
HEADS = ("even", "odd")
LABELS_PART = "labels.part"
"""Suffix of the folder of unfinished labels."""
_SHARD = 256
"""Clips in a file of that folder; at most so many are labelled again after an interruption."""
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A k-means model."""

    centres: Floats
    """float32 [clusters, columns]"""
    mean: Floats
    """float32 [columns], subtracted from features first"""
    scale: Floats
    """float32 [columns], by which they are then divided"""
    features: dict[str, Any]
    """settings of its features (av2unit.clustering.features.feature_settings)"""
    inertia: float
    """mean squared distance of the frames of the fit"""
    report: dict[str, Any] = field(default_factory=dict)
    """further results of the fit"""

    @property
    def vocabulary(self) -> str:
        """Fingerprint of its units."""
        settings = json.dumps(self.features, sort_keys=True).encode()
        # Little-endian float32 on every machine, so that a model has one fingerprint.
        arrays = (np.ascontiguousarray(part, "<f4").tobytes() for part in (self.centres, self.mean, self.scale))
        return fingerprint(_FORMAT.encode(), settings, *arrays)

    @property
    def feature_config(self) -> FeatureConfig:
        """The settings of its features."""
        names = FeatureConfig.__dataclass_fields__
        values = {name: value for name, value in self.features.items() if name in names}
        return FeatureConfig(**values | ({"modalities": tuple(values["modalities"])} if "modalities" in values else {}))

    def distances(self, rows: Floats) -> Floats:
        """Return the squared distances of float32 [rows, columns] from all centres, float32 [rows, clusters]."""
        scaled = (rows - self.mean) / self.scale
        # |row|^2 + |centre|^2 - 2 row * centre: one product, and no array [rows, clusters, columns]. Rounding may leave it below 0.
        squares = (scaled**2).sum(axis=1)[:, None] + (self.centres**2).sum(axis=1)
        return np.asarray(np.maximum(squares - 2 * scaled @ self.centres.T, 0), dtype=np.float32)

    def assign(self, rows: Floats, duration_penalty: float = 0.0) -> tuple[NDArray[np.int64], float]:
        """Return the cluster of each of float32 rows of shape [N, columns], int64 [N], and the sum of the squared distances.

        duration_penalty: cost of a change, in units of `inertia`. The path with the least sum of distances and costs is taken
        (duration-penalised dynamic programming, Kamper and van Niekerk 2021); 0 = the nearest centre.
        """
        distances = self.distances(rows)
        if duration_penalty:
            ids = viterbi(-distances, duration_penalty * self.inertia)
        else:
            ids = distances.argmin(axis=1).astype(np.int64)
        return ids, float(distances[np.arange(len(ids)), ids].sum())

    def save(self, path: str | Path) -> None:
        """Write both files; path ends in .safetensors. Raises OutputError."""
        path = Path(path)
        content = {"format": _FORMAT, "vocabulary": self.vocabulary, "features": self.features, "inertia": self.inertia}
        with atomic_output(path) as temporary:
            save_file({"centres": self.centres, "mean": self.mean, "scale": self.scale}, temporary)
        write_text(path.with_suffix(".json"), json.dumps(content | {"report": self.report}, indent=1) + "\n")


def load_quantizer(path: str | Path) -> Quantizer:
    """Read a k-means model. Raises InputError when a file is missing, CheckpointError for a damaged file or another content."""
    path = require_file(path, "the k-means model", hint="av2unit.kmeans fit makes one")
    beside, hint = path.with_suffix(".json"), f"keep them beside {path.name}"
    content = read_json(beside, "the settings of the k-means model", CheckpointError, hint)

    try:
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        with safetensors.safe_open(path, framework="np") as file:
            centres, mean, scale = (file.get_tensor(name) for name in ("centres", "mean", "scale"))
        quantizer = Quantizer(centres, mean, scale, content["features"], float(content["inertia"]), content["report"])
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError("this is no k-means model", path=path, expected=f"{_FORMAT} and its settings", found=error) from error

    if quantizer.vocabulary != content["vocabulary"]:
        raise CheckpointError("the k-means model and its settings do not belong together", path=path, hint="fit it again")
    return quantizer


def label_corpus(config: KMeansConfig, quantizer: Quantizer, extractor: UnitExtractor | None, progress: Progress) -> dict[str, Any]:
    """Label the corpus, write the files of `write_results` to `out_dir`, and return the report.

    A run that was interrupted resumes where it stopped.
    """
    if not config.out_dir:
        raise UsageError("labels need a folder", expected="out_dir")
    folder, corpus = Path(config.out_dir), read_corpus(config.manifest, config.root or None)
    outputs = {"a file of labels": result_files(folder, corpus.split)}
    keep_apart(outputs, {"the manifest": corpus.path, "an input": [one for one in (config.model, config.checkpoint) if one]})

    stream = FeatureStream(corpus, quantizer.feature_config, extractor, config.num_workers)
    head = {"vocabulary": quantizer.vocabulary, "manifest": corpus.path.name, "duration_penalty": config.duration_penalty}
    bad = BadItems(config.max_bad_share)
    shards = LabelShards(folder / f"{corpus.split}.{LABELS_PART}", head, [clip.id for clip in corpus.clips])

    for number, features in shards.filled(stream.of(shards.missing), progress, "labelling"):
        if isinstance(features, BadItem):
            bad.note(LoadedBatch(None, (features,), 0))
            shards.add_bad(number, features.reason)
        else:
            bad.note(LoadedBatch(None, (), 1))
            shards.add(number, *quantizer.assign(features, config.duration_penalty))

    rate = quantizer.feature_config.label_rate
    report = write_results(
        folder, shards, Labelled(corpus.split, len(quantizer.centres), quantizer.vocabulary, config.language, rate)
    )
    # Last, because a run that is interrupted before the results are written resumes from the shards.
    shutil.rmtree(shards.folder)
    return report


class LabelShards:
    """A folder with a complete file of labels for each 256 clips; an interrupted run resumes with those that are missing.

    missing: numbers of the clips without labels, in order.
    """

    def __init__(self, folder: Path, head: Mapping[str, Any], names: Sequence[str]) -> None:
        """head: description of the labels. names: of all clips, in order. Raises OutputError for a folder of other labels."""
        self.folder, self._names = folder, names
        self._rows_of_shard: list[dict[str, Any]] = []
        about = folder / "about.json"
        content = json.dumps({**head, "clips": sha256("\n".join(names).encode()).hexdigest()}, indent=1) + "\n"
        if about.is_file() and (found := about.read_text(encoding="utf-8", errors="replace")) != content:
            raise OutputError(
                "labels that were begun here are of another model or manifest",
                path=folder,
                expected=content,
                found=found[:200],
                hint="delete the folder, or give another out_dir",
            )

        write_text(about, content)
        # A shard is only written when all of its clips are done, so one that exists is complete.
        starts = (start for start in range(0, len(names), _SHARD) if not self._path(start).is_file())
        self.missing = [number for start in starts for number in range(start, min(start + _SHARD, len(names)))]

    def filled(self, found: Iterable[tuple[int, Found]], progress: Progress, what: str) -> Iterator[tuple[int, Found]]:
        """Yield the numbers of missing clips with their results, and write a file when all of its clips were added."""
        done = len(self._names) - len(self.missing)
        if done:
            LOG.info("going on behind %d of %d clips in %s", done, len(self._names), self.folder)

        for count, (number, one) in enumerate(found, done + 1):
            progress(what, count, len(self._names))
            yield number, one
            # Behind the yield: by now the caller has added this clip.
            if (number + 1) % _SHARD == 0 or number + 1 == len(self._names):
                write_rows(self._path(number - number % _SHARD), self._rows_of_shard)
                self._rows_of_shard = []

    def add(self, number: int, labels: Ids, distance: float) -> None:
        """Add the labels of a clip, int64 [N], and the sum of their distances."""
        self._rows_of_shard.append({"id": self._names[number], "labels": format_units(labels), "distance": round(distance, 4)})

    def add_bad(self, number: int, reason: str) -> None:
        """Add a clip that could not be labelled."""
        self._rows_of_shard.append({"id": self._names[number], "error": reason})

    def rows(self) -> Iterator[tuple[dict[str, Any], Ids]]:
        """Yield each clip's row and labels, int64 [N] (empty for a bad clip), in the order of the clips."""
        for start in range(0, len(self._names), _SHARD):
            for _, row in iter_rows(self._path(start)):
                yield row, np.array(row.get("labels", "").split(), dtype=np.int64)

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:08d}.jsonl"


# Files for training


@dataclass(frozen=True)
class Labelled:
    """Description of the labels of a corpus."""

    split: str
    num_units: int
    """size of the dictionary"""
    vocabulary: str
    language: str
    label_rate: int
    """labels a second, 50 or 25"""


def result_files(folder: Path, split: str) -> list[Path]:
    """Return all files that labelling a split writes to a folder."""
    kinds = ("km", *(f"{head}.km" for head in HEADS))
    own = [f"{split}.{ending}" for ending in ("units.jsonl", "report.json", LABELS_PART, *kinds)]
    return [folder / name for name in (*own, *(f"dict.{kind}.txt" for kind in kinds))]


def write_results(folder: Path, shards: LabelShards, about: Labelled) -> dict[str, Any]:
    """Write `<split>.units.jsonl`, `<split>[.even|.odd].km`, `dict[...].km.txt` and `<split>.report.json`; returns the report.

    A clip without labels has no row of units, and an empty line in the .km files. Raises InputError if no clip has labels.
    """
    report = _report(shards, about)
    is_slow = about.label_rate == FRAME_RATE

    write_units(folder / f"{about.split}.units.jsonl", _unit_rows(shards, about, is_slow))
    _write_lines(folder / f"{about.split}.km", (labels for _, labels in shards.rows()))
    for number, head in enumerate(HEADS):
        lines = (labels if is_slow else labels[number::UNITS_PER_FRAME] for _, labels in shards.rows())
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


def _report(shards: LabelShards, about: Labelled) -> dict[str, Any]:
    counts, clips, distance = LabelCounts(about.num_units), 0, 0.0
    bad: dict[str, str] = {}
    for row, labels in shards.rows():
        counts.add(labels)
        clips += "error" not in row
        distance += row.get("distance", 0.0)
        if "error" in row:
            bad[row["id"]] = row["error"]

    if not counts.counts.any():
        raise InputError("no clip could be labelled", path=shards.folder, found=next(iter(bad.items()), None))
    report = {"vocabulary": about.vocabulary, "clips": clips, "bad_clips": bad, "label_rate": about.label_rate}
    return report | {"inertia": distance / int(counts.counts.sum())} | counts.report(about.label_rate)


def _unit_rows(shards: LabelShards, about: Labelled, is_slow: bool) -> Iterator[UnitRow]:
    for row, labels in shards.rows():
        if len(labels):
            frames = np.repeat(labels, UNITS_PER_FRAME) if is_slow else labels
            yield UnitRow(row["id"], Units.from_frames(frames, about.language, about.vocabulary), {})


def _write_lines(path: Path, lines: Iterator[Ids]) -> None:
    with atomic_output(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(format_units(line) + "\n")


class LabelCounts:
    """Counts labels, and runs of equal labels, clip by clip."""

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
            # exp of the entropy: how many equally frequent labels would be as hard to predict.
            "perplexity": round(float(np.exp(-(shares * np.log(shares)).sum())), 2) if total else 0.0,
            "unused_clusters": int((self.counts == 0).sum()),
            "largest_share": round(float(shares.max()), 4) if total else 0.0,
            "mean_run_ms": round(1000 * total / label_rate / self._runs, 1) if self._runs else 0.0,
            "counts": self.counts.tolist(),
        }
