"""Label a corpus with a k-means model."""

import logging
from pathlib import Path
from typing import Any

from av2unit.clustering.config import KMeansConfig
from av2unit.clustering.journal import Journal
from av2unit.clustering.quantizer import Quantizer
from av2unit.clustering.results import LABELS_PART, Labelled, result_files, write_results
from av2unit.clustering.stream import FeatureStream
from av2unit.extractor import UnitExtractor
from avcore.errors import UsageError
from avcore.outputs import keep_apart
from avcore.progress import Progress
from avdata.corpus import read_corpus
from avtrain.data import BadItem, BadItems, Batch

LOG = logging.getLogger("netflips.kmeans")


def apply(config: KMeansConfig, quantizer: Quantizer, extractor: UnitExtractor | None, progress: Progress) -> dict[str, Any]:
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
        "vocabulary": quantizer.vocabulary, "manifest": corpus.path.name, "clips": len(stream),
        "duration_penalty": config.duration_penalty,
    }  # fmt: skip
    bad = BadItems(config.max_bad_share)
    with Journal(folder / f"{corpus.split}.{LABELS_PART}", head, [clip.id for clip in corpus.clips]) as journal:
        num_done = len(stream) - len(journal.missing)
        if num_done:
            LOG.info("going on behind %d of %d clips with %s", num_done, len(stream), journal.path)
        for count, (number, features) in enumerate(stream.of(journal.missing), num_done + 1):
            progress("labelling", count, len(stream))
            if isinstance(features, BadItem):
                bad.note(Batch(None, (features,), 0))
                journal.add_bad(features.name, features.reason)
            else:
                bad.note(Batch(None, (), 1))
                journal.add(corpus.clips[number].id, *quantizer.assign(features, config.duration_penalty))
        rate = quantizer.feature_config.label_rate
        about = Labelled(corpus.split, len(quantizer.centres), quantizer.vocabulary, config.language, rate)
        report = write_results(folder, journal, about)
    journal.path.unlink()
    return report
