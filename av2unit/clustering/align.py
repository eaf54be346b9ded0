"""Transfer labels of reference recordings to other recordings of the same words (forced alignment by dynamic time warping).

Clusters of sound depend on the voice as well as on the words. Where several voices speak the same sentence (read or synthetic
speech), the labels of one voice, aligned to all others, depend on the words alone: speech normalization (Lee et al., "Textless
Speech-to-Speech Translation on Real Data", 2022) by alignment. The warping path says which step of one recording corresponds to
which step of another, and its cost which of many recordings is nearest.
"""

import logging
import shutil
from collections import defaultdict
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from av2unit.cepstra import mfcc_features, normalise_columns
from av2unit.clustering.config import AlignConfig
from av2unit.clustering.labels import LABELS_PART, Labelled, LabelShards, result_files, write_results
from av2unit.training.media import MediaReader
from av2unit.warping import warp_path
from avcore.arrays import Floats
from avcore.data.corpus import Corpus, CorpusClip, read_corpus
from avcore.data.labels import Labels, read_labels
from avcore.errors import InputError, UsageError
from avcore.files import keep_apart
from avcore.progress import Progress
from avcore.timeline import UNIT_RATE
from avcore.train.data import BadItems, ItemsOf, make_loader
from avcore.units import Ids

LOG = logging.getLogger("netflips.kmeans")

_KEPT_REFERENCES = 256


class AlignedLabels(NamedTuple):
    """Labels of a clip, int64 [N], and the sum of the distances along the alignment that they came by."""

    labels: Ids
    distance: float


class _Aligned(ItemsOf[CorpusClip, AlignedLabels]):
    """Items for workers: each aligns a clip with a reference and carries the labels over."""

    def __init__(self, corpus: Corpus, labels: Labels) -> None:
        super().__init__(corpus.clips, (clip.steps for clip in corpus.clips))
        self._labels, self._media = labels, MediaReader()
        self._references: dict[str, list[int]] = defaultdict(list)
        for number, clip in enumerate(corpus.clips):
            if clip.sentence and len(labels.of(number)):
                self._references[clip.sentence].append(number)
        # Many clips say the same sentence, so the features of a reference are soon needed again.
        self._features = lru_cache(_KEPT_REFERENCES)(self._read)

    def item(self, index: int, rng: np.random.Generator) -> AlignedLabels:
        own = self._labels.of(index)
        if len(own):
            return AlignedLabels(own.astype(np.int64), 0.0)

        clip = self.rows[index]
        references = self._references.get(clip.sentence, [])
        if not references:
            raise InputError("no clip with labels says the same", expected='an equal "sentence", or "text" and "language"')

        rows = self._read(index)
        found = []
        for reference in references:
            labels = self._labels.of(reference).astype(np.int64)
            path, distance = warp_path(self._features(reference), rows)
            # Labels may end before the sound does; what is behind them gets the last one.
            found.append(AlignedLabels(labels[np.minimum(path, len(labels) - 1)], distance))

        return min(found, key=lambda carried: carried.distance)

    def _read(self, number: int) -> Floats:
        clip = self.rows[number]
        if not clip.audio:
            raise InputError("the clip has no sound")
        return normalise_columns(mfcc_features(self._media.speech(clip.audio).astype(np.float64), UNIT_RATE))


def carry_labels(config: AlignConfig, progress: Progress) -> dict[str, Any]:
    """Label the corpus, write what `write_results` says into `out_dir`, and return the report.

    Work that was broken off goes on where it stopped. Raises UsageError or InputError before anything is read.
    """
    if not config.out_dir:
        raise UsageError("labels need a folder", expected="out_dir")

    folder, corpus = Path(config.out_dir), read_corpus(config.manifest, config.root or None)
    outputs = {"a file of labels": result_files(folder, corpus.split)}
    keep_apart(outputs, {"the manifest": corpus.path, "the references": config.references})

    labels = read_labels([config.references], corpus, UNIT_RATE)
    source = _Aligned(corpus, labels)
    names = {"manifest": corpus.path.name, "references": Path(config.references).name}
    head = {"vocabulary": labels.vocabulary, **names}
    bad = BadItems(config.max_bad_share)
    shards = LabelShards(folder / f"{corpus.split}.{LABELS_PART}", head, [clip.id for clip in corpus.clips])
    loader = make_loader(source, itemgetter(0), [[(0, number)] for number in shards.missing], config.num_workers)

    for number, batch in shards.filled(zip(shards.missing, loader, strict=True), progress, "aligning"):
        bad.note(batch)
        if batch.bad:
            shards.add_bad(number, batch.bad[0].reason)
        else:
            shards.add(number, *batch.content)

    num_units = int(labels.values.max()) + 1
    report = write_results(folder, shards, Labelled(corpus.split, num_units, labels.vocabulary, config.language, UNIT_RATE))
    # Last, because a run that is interrupted before the results are written resumes from the shards.
    shutil.rmtree(shards.folder)
    return report
