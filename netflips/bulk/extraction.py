"""Extract units, voices, features and lip crops of a whole corpus. A run can be stopped anywhere, and continued.

The properties of the models that decide the results are read in advance, so that results of different models are never mixed. The
cost of a run is estimated from a few utterances, which are done one after the other and thrown away.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av

from av2unit.config import vocabulary_of
from av2unit.extractor import Decoding
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.command import LOG
from avcore.compute.inference import resolve_device
from avcore.compute.threads import num_cores
from avcore.data.manifest import Entry, Manifest
from avcore.errors import CheckpointError, InputError, NetflipsError, UsageError
from avcore.files import private_folder
from avcore.journal import write_rows
from avcore.media.opening import open_media
from avcore.notes import several
from avcore.pool import Lost, PoolTask, WorkerPool
from avcore.processes import Crew, PoolSize
from avcore.timeline import frames_to_seconds, samples_to_seconds
from netflips.bulk.inputs import require_file_names
from netflips.bulk.progress import RunProgress, duration
from netflips.bulk.records import BatchResult, Costs, MadeFile, Rejected, Source, by_length
from netflips.bulk.settings import AUDIO, VIDEO, ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread, file_size, place_at, resources_here, with_full_paths
from netflips.bulk.store import ResultStore, ShardWork, open_store, require_same
from netflips.bulk.worker import ModelWorker, read_part
from unit2av.speaker import encoder_fingerprint

# Batches for the pool

_FILES_AT_ONCE = 8
_UNKNOWN_S = 8.0
"""Length (s) that is assumed for an utterance of unknown length."""


def stated_seconds(entry: Entry) -> float:
    """Return the length (s) that a manifest states, 0 = none."""
    if entry.duration_s:
        return entry.duration_s
    return float(samples_to_seconds(entry.samples) if entry.samples else frames_to_seconds(entry.frames))


def expected_seconds(sources: Sequence[Source]) -> list[float]:
    """Return the length (s) of each utterance, nearly exact, 0 where it is not known. Headers of files are read side by side."""
    stated = [stated_seconds(source.entry) for source in sources]
    if all(stated):
        return stated
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        return list(pool.map(_seconds, stated, sources))


def _seconds(stated: float, source: Source) -> float:
    path = source.path("video") or source.path("audio") or source.path("lips")
    if stated or path is None:
        return stated
    try:
        with open_media(path) as container:
            return float(Fraction(container.duration or 0, av.time_base))
    except NetflipsError:
        return 0.0  # the reader will report what is wrong with it


def iter_pending(work: Iterable[ShardWork]) -> Iterator[Source]:
    """Yield the pending utterances, shard by shard."""
    for shard in work:
        if shard.num_pending:
            pending = shard.pending
            yield from (source for source in shard.planned if source.id in pending)


def shard_tasks(work: Iterable[ShardWork], settings: ExtractSettings) -> Iterator[tuple[int, PoolTask[Source]]]:
    """Yield the tasks of each shard with its number: one batch a task, read in parts.

    Batches are those of the whole shard, less what is done already. So a run that is continued makes the same batches as one that
    was never stopped.
    """
    for shard in work:
        if not shard.num_pending:
            continue
        planned, pending = shard.planned, shard.pending
        lengths = dict(zip((source.id for source in planned), expected_seconds(planned), strict=True))

        def seconds(source: Source, lengths: dict[str, float] = lengths) -> float:
            return lengths[source.id] or _UNKNOWN_S

        for batch in by_length(planned, seconds, settings.batch_s, settings.padding_s):
            left = [source for source in batch if source.id in pending]
            parts = tuple(tuple(part) for part in by_length(left, seconds, settings.part_s))
            if parts:
                yield shard.number, PoolTask(parts)


# The cost of a run

_HOUR_S = 3600


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a run, from a sample."""

    num_left: int
    """utterances that are left to do"""
    media_s: float
    """their length (s)"""
    num_sampled: int
    """utterances of the sample"""
    rejected: tuple[Rejected, ...]
    """utterances of the sample that cannot be used"""
    costs: Costs
    """of the sample"""
    bytes_made: int
    """size of the results of the sample"""
    size: PoolSize
    """numbers of workers and readers"""

    @property
    def wall_s(self) -> float:
        """Seconds that the whole run would take: as long as its bottleneck, which is the readers, the workers, or all cores
        together."""
        if not self.costs.media_s:
            return 0.0
        reading, models = self.costs.decode_s + self.costs.face_s, self.costs.model_s
        shares = [reading / self.size.readers, models / self.size.workers]
        # Without a GPU, readers and workers share the cores.
        if not self.size.gpus:
            shares.append((reading + models) / num_cores())
        return max(shares) * self.media_s / self.costs.media_s

    def text(self) -> str:
        """Return the estimate in a few lines."""
        lines = [f"{several(self.num_left, 'utterance')} to do, about {self.media_s / _HOUR_S:.2f} h; nothing was written"]

        num_read = self.num_sampled - len(self.rejected)
        media_s = self.costs.media_s
        if num_read and media_s:
            lines += [
                f"  sample       {several(num_read, 'utterance')}, {media_s:.1f} s; work for each second (s):",
                f"               decoding {self.costs.decode_s / media_s:.3f}, faces {self.costs.face_s / media_s:.3f}, "
                f"models {self.costs.model_s / media_s:.3f}",
                f"  time         about {duration(self.wall_s)} with {several(self.size.workers, 'worker')} and "
                f"{several(self.size.readers, 'reader')}",
                f"  disk         about {self.bytes_made / media_s * self.media_s / 1e6:.0f} MB",
            ]

        lines += [f"  rejected     {rejected.id}: {rejected.reason}" for rejected in self.rejected]
        return "\n".join(lines)


def estimate(
    work: Sequence[ShardWork], settings: ExtractSettings, models: ExtractModels, size: PoolSize, num_samples: int
) -> Estimate:
    """Do `num_samples` utterances, spread evenly over the pending ones, in a folder that is thrown away."""
    num_left = sum(shard.num_pending for shard in work)
    step = max(1, num_left // num_samples) if num_samples else 1
    sample = list(islice(iter_pending(work), step // 2, step // 2 + step * num_samples, step))

    with private_folder() as folder:
        tried = replace(settings, out_dir=folder)
        worker = ModelWorker(models, tried)
        if complaint := worker.load():
            raise CheckpointError(complaint)
        made, rejected, costs = list[MadeFile](), list[Rejected](), Costs()
        for number, source in enumerate([*sample[:1], *sample]):  # the first one twice: the first time is a warm-up
            result = worker.process(read_part(tried, [source]))
            if number:
                made, rejected, costs = made + result.made, rejected + result.rejected, costs + result.costs
        write_rows(folder / "shard.jsonl", (one.row for one in made))
        bytes_made = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    mean_s = costs.media_s / len(made) if made else 0.0
    media_s = sum(stated_seconds(source.entry) or mean_s for source in iter_pending(work))
    return Estimate(num_left, media_s, len(sample), tuple(rejected), costs, bytes_made, size)


def model_key(models: ExtractModels, settings: ExtractSettings) -> dict[str, Any]:
    """Return the properties of the models that decide the results. Raises CheckpointError, and InputError for a layer that does not
    exist."""
    key: dict[str, Any] = {"precision": models.precision}

    if settings.needs_encoder:
        checkpoint = read_checkpoint(cast(Path, models.encoder), UNIT_ENCODER)
        layers = int(checkpoint.config["model"].get("encoder_layers", 0))
        if settings.layer is not None and settings.layer > layers:
            raise InputError("the encoder has no such layer", path=models.encoder, expected=f"0..{layers}", found=settings.layer)
        decoding = Decoding.from_config(checkpoint.config.get("decoding"), checkpoint.path)
        key |= {
            "encoder": checkpoint.fingerprint,
            "vocabulary": vocabulary_of(checkpoint),
            "decoding": f"{decoding.method} {decoding.duration_penalty:g}",
        }

    if settings.speaker:
        key["speaker_encoder"] = encoder_fingerprint(models.speaker)
    return key


_HERE = Spread()


@dataclass(frozen=True)
class Summary:
    """What a run did, and the state of the folder after it."""

    num_inputs: int
    """utterances of the input"""
    num_before: int
    """utterances that earlier runs had finished"""
    progress: RunProgress
    """of this run"""
    failures: dict[str, str]
    """reasons, by id"""


def prepare_extraction(
    manifest: Manifest, settings: ExtractSettings, models: ExtractModels, address: str | None = None
) -> ExtractModels:
    """Find what cannot work before anything is started, and resolve the device. Raises NetflipsError."""
    if settings.needs_names:
        require_file_names(entry.id for entry in manifest.entries)
    if settings.needs_encoder and models.encoder is None:
        raise UsageError("units and features need --av2unit-path")

    entries = manifest.entries
    if settings.uses_video and not any(entry.lips or entry.video for entry in entries):
        raise UsageError("there is no frame in the whole input", hint=f"use --modalities {AUDIO}")
    if (settings.uses_audio or settings.speaker) and not any(entry.audio or entry.video for entry in entries):
        raise UsageError("there is no sound in the whole input", hint=f"use --modalities {VIDEO}, without --with-speaker")
    if settings.lips and not any(entry.video for entry in entries):
        raise UsageError("--with-lips needs videos")

    return models if address is not None else replace(models, device=str(resolve_device(models.device)))


def extract(
    manifest: Manifest,
    settings: ExtractSettings,
    models: ExtractModels,
    spread: Spread = _HERE,
    is_quiet: bool = False,
    *,
    overwrite: bool = False,
    retry_failed: bool = False,
) -> Summary:
    """Extract the pending utterances of a manifest.

    Results are in `settings.out_dir`; see `store`. overwrite: those of earlier runs are deleted first. retry_failed: utterances
    that earlier runs set aside are tried again. Raises NetflipsError for faults that concern all utterances; one that cannot be
    used is set aside. Finished work is kept however a run ends.
    """
    manifest, settings = replace(manifest, root=manifest.root.absolute()), with_full_paths(settings)
    models = with_full_paths(prepare_extraction(manifest, settings, models, spread.address))
    key = settings.key() | model_key(models, settings)

    with open_store(settings, key, manifest, overwrite, retry_failed) as store:
        progress = RunProgress(sum(shard.num_pending for shard in store.shards), is_quiet=is_quiet)
        try:
            _Run(store, settings, models, spread, progress).do()
        finally:
            progress.close()
            store.tidy()

        ids = (entry.id for entry in manifest.entries) if store.failed else ()
        failures = {name: store.failed[name]["reason"] for name in ids if name in store.failed}
        return Summary(len(manifest), store.num_done, progress, failures)


def dry_run(
    manifest: Manifest,
    settings: ExtractSettings,
    models: ExtractModels,
    spread: Spread = _HERE,
    num_samples: int = 8,
    retry_failed: bool = False,
) -> Estimate:
    """Estimate what `extract` would take on this machine; nothing is written. Raises the same errors."""
    models = prepare_extraction(manifest, settings, models)
    require_same(settings.out_dir, settings.key() | model_key(models, settings))
    work = ResultStore(settings, manifest, retry_failed, is_trial=True).shards
    size = replace(spread, address=None).pool_size(models.device, file_size(models.encoder), resources_here())
    return estimate(work, settings.for_device(models.device), models, size, num_samples)


@dataclass
class _Run:
    _store: ResultStore
    _settings: ExtractSettings
    _models: ExtractModels
    _spread: Spread
    _progress: RunProgress
    _left: dict[int, int] = field(default_factory=dict)

    def do(self) -> None:
        """Work through what is pending, and close each shard as soon as it is complete."""
        self._left = {shard.number: shard.num_pending for shard in self._store.shards if shard.num_pending}
        if not self._left:
            return

        left = several(sum(self._left.values()), "utterance"), several(len(self._left), "shard")
        LOG.info("%s to do, in %s; starting workers, which can take a minute on a busy machine", *left)

        with place_at(self._spread.address) as place:
            models = replace(self._models, device=place.device(self._models.device))
            settings = self._settings.for_device(models.device)
            size = self._spread.pool_size(models.device, file_size(models.encoder), place.resources)
            crew = Crew(ModelWorker, (models, settings), read_part, (settings,))
            with WorkerPool[Source, int](place.processes(crew, size), size, has_readers=True) as pool:
                pool.start()
                self._progress.start()

                for outcome in pool.run(shard_tasks(self._store.shards, settings)):
                    if isinstance(outcome, Lost):
                        self._keep(outcome.label, BatchResult([], [Rejected(outcome.item.id, outcome.reason)]))
                    else:
                        self._keep(outcome.label, outcome.result)
                self._progress.close()

    def _keep(self, shard: int, result: BatchResult) -> None:
        """Store the outcome of a batch before anything else happens."""
        if result.made:
            self._store.add(result.made)
        if result.rejected:
            self._store.reject(result.rejected)

        num_made, num_rejected = len(result.made), len(result.rejected)
        self._left[shard] -= num_made + num_rejected
        if not self._left[shard]:
            self._store.close(shard)
        self._progress.add(num_made, num_rejected, sum(file.seconds for file in result.made), result.costs)
