"""Fit a k-means model to a uniform random sample of the frames of a corpus, of bounded size."""

import json
import logging
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save_file
from sklearn.cluster import MiniBatchKMeans

from av2unit.clustering.config import CORPUS, FitConfig, KMeansConfig
from av2unit.clustering.features import FeatureStream, feature_settings
from av2unit.clustering.labels import LabelCounts, Quantizer
from av2unit.extractor import UnitExtractor
from avcore.arrays import Floats
from avcore.data.corpus import read_corpus
from avcore.errors import InputError
from avcore.files import atomic_output, keep_apart, require_place
from avcore.progress import Progress
from avcore.train.data import BadItem, BadItems, LoadedBatch

LOG = logging.getLogger("netflips.kmeans")

_SPARE = 4
"""Extra space is the capacity divided by this, so that frames are dropped in large groups."""
_BYTES_PER_GB, _BYTES_PER_NUMBER = 10**9, 4
_SMALLEST_SCALE = 1e-5
_ROWS_AT_ONCE = 10_000
_PAUSE = 20
"""Least time between two stores of the sample, as a multiple of the time that storing took."""


class FrameSample:
    """Keeps the frames with the smallest random numbers (bottom-k sampling).

    The numbers depend on seed and clip alone, so a sample that is stored and resumed is the same as one made at once.
    """

    def __init__(self, num_columns: int, capacity: int, share: float, seed: int) -> None:
        """capacity: most frames. share: largest share of all frames."""
        self._capacity, self._seed, self._limit = capacity, seed, share
        # The system only allocates memory that is written to.
        self._frames = np.empty((capacity + max(1, capacity // _SPARE), num_columns), np.float32)
        self._numbers = np.empty(len(self._frames))
        self._count = 0
        self.num_columns, self.seen = num_columns, 0

    def add(self, clip: int, frames: Floats) -> None:
        """Offer the frames of a clip, float32 [frames, columns]; clip: its number in the corpus."""
        numbers = np.random.default_rng((self._seed, clip)).random(len(frames))
        # Once the sample was full, a number above its largest cannot get in: most frames are dropped before they are copied.
        is_kept = numbers < self._limit
        self.seen += len(frames)
        frames, numbers = frames[is_kept], numbers[is_kept]

        while len(frames):
            room = slice(self._count, min(self._count + len(frames), len(self._frames)))
            taken = room.stop - room.start
            self._frames[room], self._numbers[room] = frames[:taken], numbers[:taken]
            frames, numbers, self._count = frames[taken:], numbers[taken:], room.stop
            if self._count == len(self._frames):
                self._shrink()

    def frames(self) -> Floats:
        """Return the sample, float32 [frames, columns]; a view."""
        self._shrink()
        return self._frames[: self._count]

    def _shrink(self) -> None:
        """Drop frames beyond the capacity, in place: kept frames at the end fill the gaps."""
        if self._count <= self._capacity:
            return

        # Linear time; a sort would order numbers whose order does not matter.
        order = np.argpartition(self._numbers[: self._count], self._capacity - 1)
        kept, thrown = order[: self._capacity], order[self._capacity :]
        # At most a fifth of the frames is moved. A copy of the kept ones would take the memory of the sample twice.
        gaps, movers = thrown[thrown < self._capacity], kept[kept >= self._capacity]
        self._frames[gaps], self._numbers[gaps] = self._frames[movers], self._numbers[movers]
        self._count = self._capacity
        self._limit = float(self._numbers[: self._count].max())

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Store the sample with a description, for `restore`."""
        kept = {"frames": self._frames[: self._count], "numbers": self._numbers[: self._count]}
        # safetensors stores no checksums: changed bytes would be clustered without a word.
        sums = _checksums(kept["frames"], kept["numbers"])
        state = {"limit": self._limit, "seen": self.seen, "about": about, "sums": sums}
        with atomic_output(path) as temporary:
            save_file(kept, temporary, {"state": json.dumps(state)})

    def restore(self, path: Path) -> None:
        """Load a sample from `save`; capacity, columns and seed must be the same. Raises InputError for a damaged file."""
        state = _state(path)
        with safetensors.safe_open(path, framework="np") as file:
            frames, numbers = file.get_tensor("frames"), file.get_tensor("numbers")
        if state.get("sums") != _checksums(frames, numbers):
            raise InputError("the stored sample of frames is damaged", path=path, found="other bytes than were stored")
        self._count = len(frames)
        self._frames[: self._count], self._numbers[: self._count] = frames, numbers
        self._limit, self.seen = float(state["limit"]), int(state["seen"])


def _checksums(frames: Any, numbers: Any) -> dict[str, int]:
    return {"frames": zlib.crc32(frames), "numbers": zlib.crc32(numbers)}


def describe_sample(path: Path) -> dict[str, Any]:
    """Return the description of a stored sample. Raises InputError when the file is damaged."""
    about: dict[str, Any] = _state(path)["about"]
    return about


def _state(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return json.loads(file.metadata()["state"])  # type: ignore[no-any-return]
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError("the stored sample of frames is damaged", path=path, found=error) from error


def fit_quantizer(config: KMeansConfig, extractor: UnitExtractor | None, progress: Progress) -> Quantizer:
    """Read the corpus, fit a model, write and return it.

    A run that was interrupted resumes from the last stored sample. Raises InputError when there are too few frames.
    """
    path = require_place(config.model, "the k-means model")
    stored = path.with_suffix(".sample.safetensors")
    inputs = {"the manifest": config.manifest, "the encoder": config.checkpoint or None}
    keep_apart({"the k-means model": path, "the sample of frames": stored}, inputs)
    corpus = read_corpus(config.manifest, config.root or None)

    settings = feature_settings(config.features, extractor)
    stream = FeatureStream(corpus, config.features, extractor, config.num_workers)
    about = {"settings": settings, "manifest": corpus.path.name, "clips": len(stream), "fit": vars(config.fit)}

    sample, bad = _take_sample(stream, config, about, stored, progress)
    quantizer, report = _cluster(sample.frames(), config, settings)
    report |= {"clips": len(stream) - len(bad), "bad_clips": bad, "frames": sample.seen, "sampled_frames": len(sample.frames())}
    quantizer = Quantizer(**{**vars(quantizer), "report": report})

    quantizer.save(path)
    # Last, because a run that is interrupted before the model is written resumes from the sample.
    stored.unlink(missing_ok=True)
    LOG.info(
        "%s: %d clusters, inertia %.4g a frame, perplexity %.1f, %d unused, vocabulary %s",
        path,
        len(quantizer.centres),
        quantizer.inertia,
        report["perplexity"],
        report["unused_clusters"],
        quantizer.vocabulary,
    )

    return quantizer


def _take_sample(
    stream: FeatureStream, config: KMeansConfig, about: dict[str, Any], stored: Path, progress: Progress
) -> tuple[FrameSample, dict[str, str]]:
    first, bad, sample = 0, BadItems(config.max_bad_share), None
    reasons: dict[str, str] = {}
    pause = _Pause()
    if stored.exists():
        try:
            before = describe_sample(stored)
            # Frames of other clips or features must not mix with these.
            if {name: before.get(name) for name in about} == about:
                sample = _new_sample(int(before["columns"]), config.fit)
                sample.restore(stored)
                first, reasons = int(before["next"]), dict(before["bad"])
                LOG.info("going on at clip %d of %d with the sample in %s", first, len(stream), stored)
        except InputError as error:
            LOG.warning("%s; it is taken anew", error)
            sample = None

    for number, features in stream.of(range(first, len(stream))):
        progress("sampling frames", number + 1, len(stream))
        bad.note(LoadedBatch(None, (features,), 0) if isinstance(features, BadItem) else LoadedBatch(None, (), 1))
        if not isinstance(features, BadItem):
            sample = sample or _new_sample(features.shape[1], config.fit)
            sample.add(number, features)
        if sample is not None and (number + 1) % config.save_every == 0 and pause.is_over():
            sample.save(stored, about | {"next": number + 1, "bad": reasons | bad.names, "columns": sample.num_columns})
            pause.begin()

    if sample is None or len(sample.frames()) < config.fit.num_clusters:
        found = f"{0 if sample is None else len(sample.frames())} frames"
        raise InputError("there are too few frames to cluster", path=config.manifest, expected=config.fit.num_clusters, found=found)
    return sample, reasons | bad.names


class _Pause:
    """The time between two stores of the sample, long enough that storing takes a small share of the time."""

    def __init__(self) -> None:
        self._asked, self._next = 0.0, 0.0

    def is_over(self) -> bool:
        self._asked = time.monotonic()
        return self._asked >= self._next

    def begin(self) -> None:
        now = time.monotonic()
        self._next = now + _PAUSE * (now - self._asked)


def _new_sample(num_columns: int, fit_config: FitConfig) -> FrameSample:
    capacity = int(fit_config.sample_gb * _BYTES_PER_GB / (_BYTES_PER_NUMBER * num_columns))
    return FrameSample(num_columns, max(capacity, fit_config.num_clusters), fit_config.sample_share, fit_config.seed)


def _cluster(frames: Floats, config: KMeansConfig, settings: dict[str, Any]) -> tuple[Quantizer, dict[str, Any]]:
    """Cluster frames, float32 [frames, columns], which are normalised in place if the setting is `corpus`."""
    mean, scale = np.zeros(frames.shape[1], np.float32), np.ones(frames.shape[1], np.float32)
    if config.features.normalise == CORPUS:
        mean, scale = frames.mean(axis=0), np.maximum(frames.std(axis=0), _SMALLEST_SCALE)
        frames -= mean
        frames /= scale

    wanted = config.fit
    # As for HuBERT's labels, small clusters are kept (reassignment_ratio 0), and fitting ends when nothing improves (tol 0).
    clustering = MiniBatchKMeans(
        wanted.num_clusters,
        init="k-means++",
        batch_size=wanted.batch_size,
        max_iter=wanted.max_iter,
        n_init=wanted.n_init,
        max_no_improvement=wanted.max_no_improvement,
        random_state=wanted.seed,
        tol=0.0,
        reassignment_ratio=0.0,
        compute_labels=False,
    ).fit(frames)

    centres = np.ascontiguousarray(clustering.cluster_centers_, dtype=np.float32)
    # The frames are normalised already, so this one must not normalise them again.
    plain = Quantizer(centres, np.zeros_like(mean), np.ones_like(scale), settings, 0.0)

    counts, total = LabelCounts(len(centres)), 0.0
    # In pieces: the distances of all frames to all clusters would take more memory than the frames.
    for start in range(0, len(frames), _ROWS_AT_ONCE):
        ids, distance = plain.assign(frames[start : start + _ROWS_AT_ONCE])
        counts.add(ids)
        total += distance

    report = {"iterations": int(clustering.n_iter_)} | counts.report()
    del report["mean_run_ms"]  # the sample is not in the order of time
    return Quantizer(centres, mean.astype(np.float32), scale.astype(np.float32), settings, total / len(frames)), report
