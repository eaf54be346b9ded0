"""Train the unit vocoder of one language, and put it into a renderer checkpoint.

    python -m unit2av.train_unit2a --config unit2av/unit2a data.train=train.jsonl data.units=units.jsonl run_dir=runs/ko
    python -m unit2av.train_unit2a model=harmonic data.train=...      # a voice with a pitch: --config unit2av/unit2a_harmonic
    python -m unit2av.train_unit2a export --checkpoint runs/ko/checkpoints/best.pt --out-path renderer.safetensors

On several GPUs or machines: `accelerate launch -m unit2av.train_unit2a ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from avcore.progress import bars
from avdata.published.unit2a import check_range
from avdata.unit_store import table_size
from avtrain.entry import train_of
from unit2av.voice.training import export as export_unit2a
from unit2av.voice.training.config import Unit2aConfig, check_edge_unit, check_voice_config
from unit2av.voice.training.corpus import VoiceCorpus, pitch_tracks, read_voice_corpus
from unit2av.voice.training.harmonic import HarmonicTask
from unit2av.voice.training.start import TrainedHarmonic, start_vocoder
from unit2av.voice.training.task import Unit2aTask

_MODEL = "model="


def make_task(config: Unit2aConfig) -> Unit2aTask:
    """Read everything that a run needs and check it: data, voices, units, checkpoint.

    Raises NetflipsError of the kind that fits, before anything is trained.
    """
    check_voice_config(config)
    with bars() as progress:
        corpus = read_voice_corpus(config, progress)
    config = _sized(config, corpus)
    check_edge_unit(config)
    check_range([*corpus.train, *corpus.valid], config.model.num_units)
    vocoder = start_vocoder(config.model, config.init, corpus.vocabulary, corpus.speaker_dim, config.loop.seed)
    if not isinstance(vocoder, TrainedHarmonic):
        return Unit2aTask(config, corpus, vocoder)
    with bars() as progress:
        tracks = pitch_tracks([*corpus.train, *corpus.valid], config.run_dir, progress, config.data.pitch)
    return HarmonicTask(config, corpus, vocoder, tracks)


def _sized(config: Unit2aConfig, corpus: VoiceCorpus) -> Unit2aConfig:
    """Return the settings with sizes of the data where they say 0."""
    model, used = config.model, (one.units for one in (*corpus.train, *corpus.valid))
    num_units, speaker_dim = table_size(model.num_units, used), model.speaker_dim or corpus.speaker_dim
    return replace(config, model=replace(model, num_units=num_units, speaker_dim=speaker_dim))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = [_as_config(word) for word in (sys.argv[1:] if argv is None else argv)]
    purpose = "Train the unit vocoder of one language; `export` puts it into a renderer checkpoint."
    return train_of(Unit2aConfig, make_task, "unit2av/unit2a", "train_unit2a", purpose, words, {"export": export_unit2a.main})


def _as_config(word: str) -> str:
    """`model=harmonic`, short for the config that trains such a model: its losses and its optimiser belong to it."""
    name = word.removeprefix(_MODEL)
    return word if name == word or not name.isidentifier() else f"--config=unit2av/unit2a_{name}"


if __name__ == "__main__":
    sys.exit(main())
