"""Train the unit vocoder of one language, and put it into a renderer checkpoint.

    python -m unit2av.train_unit2a --config-name unit2av/unit2a data.train=train.jsonl data.units=units.jsonl run_dir=runs/ko
    python -m unit2av.train_unit2a model=harmonic data.train=...      # a voice with a pitch: --config-name unit2av/unit2a_harmonic
    python -m unit2av.train_unit2a export --checkpoint runs/ko/checkpoints/best.pt --out-path renderer.safetensors

On several GPUs or machines: `accelerate launch -m unit2av.train_unit2a ...`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.data.published.unit2a import check_range
from avcore.data.unit_store import table_size
from avcore.progress import bars
from avcore.train.checkpoints import require_name
from avcore.train.entry import export_parser, run_export, train_of
from avcore.units import normalise_language
from unit2av.stage import RENDERER, open_for_export, with_vocoder, with_vocoder_settings
from unit2av.voice.speech import UnitVocoder
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.corpus import pitch_tracks, read_voice_corpus
from unit2av.voice.training.harmonic import HarmonicTask
from unit2av.voice.training.start import GENERATOR, TrainedHifiGan, read_voice_run, start_vocoder
from unit2av.voice.training.task import Unit2aTask

_MODEL = "model="


def make_task(config: Unit2aConfig) -> Unit2aTask:
    """Read everything that a run needs and check it: data, voices, units, checkpoint.

    Raises NetflipsError of the kind that fits, before anything is trained.
    """
    with bars() as progress:
        corpus = read_voice_corpus(config, progress)

    # Sizes of the data where the settings say 0.
    model, used = config.model, (clip.units for clip in (*corpus.train, *corpus.valid))
    num_units, speaker_dim = table_size(model.num_units, used), model.speaker_dim or corpus.speaker_dim
    config = replace(config, model=replace(model, num_units=num_units, speaker_dim=speaker_dim))
    # Once more: the edge unit can be checked only now that the size of the table is known.
    config.check()
    check_range([*corpus.train, *corpus.valid], config.model.num_units)

    vocoder = start_vocoder(config.model, config.init, corpus.vocabulary, corpus.speaker_dim, config.loop.seed, corpus.encoder)
    if isinstance(vocoder, TrainedHifiGan):
        return Unit2aTask(config, corpus, vocoder)

    with bars() as progress:
        tracks = pitch_tracks([*corpus.train, *corpus.valid], config.run_dir, progress, config.data.pitch)
    return HarmonicTask(config, corpus, vocoder, tracks)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = [_as_config(word) for word in (sys.argv[1:] if argv is None else argv)]
    purpose = "Train the unit vocoder of one language; `export` puts it into a renderer checkpoint."
    return train_of(Unit2aConfig, make_task, "unit2av/unit2a", "train_unit2a", purpose, words, {"export": _export})


def _as_config(word: str) -> str:
    """`model=harmonic`, short for the config that trains such a model: its losses and its optimiser belong to it."""
    name = word.removeprefix(_MODEL)
    return word if name == word or not name.isidentifier() else f"--config-name=unit2av/unit2a_{name}"


def export_vocoder(checkpoint: str | Path, out_path: str | Path, into: str | Path | None = None, language: str = "") -> Path:
    """Write a renderer checkpoint that has a run's vocoder, and return its path.

    into: a renderer whose other voices and face are kept; a voice of the same language is replaced. language: "" = the
    run's. Raises CheckpointError for files of another kind, VocabularyError when the renderer's units are of another quantizer.
    """
    out_path = require_name(out_path)
    run = read_voice_run(checkpoint)
    language, vocabulary = normalise_language(language or run.about["language"]), str(run.about["vocabulary"])
    config, others = open_for_export(into, vocabulary)
    tensors = with_vocoder(others, language, run.modules[GENERATOR])
    # The settings are what the tensors of the voice cannot tell; our tables start with unit 0.
    settings = {**run.about["settings"], "vocabulary": vocabulary, "trained_steps": run.step}
    offsets = {**config.get("unit_offsets", {}), language: 0}
    config = {**with_vocoder_settings(config, language, settings), "unit_offsets": offsets}

    path = write_checkpoint(out_path, RENDERER, config, tensors)
    UnitVocoder.from_checkpoint(path, language)  # proof that it can be read and fits
    return path


def _export(argv: Sequence[str]) -> int:
    into = "a renderer checkpoint whose other voices and face are kept"
    parser = export_parser("export_unit2a", "Put a trained vocoder into a renderer checkpoint.", into=into)
    parser.add_argument("--language", default="", help="name of the voice (default: the run's language)")
    return run_export(parser, export_vocoder, argv)


if __name__ == "__main__":
    sys.exit(main())
