"""Small runs of the vocoder's trainer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from avcore.train.entry import read_config
from recipes.made.tones import TonesCorpus
from unit2av.voice.training.config import Unit2aConfig, VoiceDataConfig

PUBLISHED = read_config(Unit2aConfig, "unit2av/unit2a", ["run_dir=none", "data.train=none"])
TINY = (
    "model.channels=32", "model.unit_dim=12", "data.segment_units=8", "batch.batch_size=4", "loop.log_every=1", "loop.save_every=5",
    "loop.validate_every=6", "loop.num_workers=0", "data.valid_units_at_most=40", "num_samples=1",
)  # fmt: skip


def settings(corpus: TonesCorpus, run_dir: Path, **changes: object) -> Unit2aConfig:
    data = {"train": str(corpus.manifest), "units": str(corpus.units), **changes}
    return replace(PUBLISHED, run_dir=str(run_dir), data=data_config(**data))


def data_config(**changes: Any) -> VoiceDataConfig:
    """Segments as published."""
    return VoiceDataConfig(**{"segment_units": PUBLISHED.data.segment_units, "peak": PUBLISHED.data.peak} | changes)


def words(corpus: TonesCorpus, run_dir: Path, *overrides: str) -> list[str]:
    data = [f"data.train={corpus.manifest}", f"data.units={corpus.units}", f"run_dir={run_dir}"]
    return ["--config-name", "unit2av/unit2a_debug", *data, *TINY, *overrides]


def config_of(corpus: TonesCorpus, run_dir: Path, *overrides: str) -> Unit2aConfig:
    return read_config(Unit2aConfig, "unit2av/unit2a_debug", words(corpus, run_dir, *overrides)[2:])
