"""Put a trained vocoder into a renderer checkpoint: one that is there already, or a new one with this voice alone.

python -m unit2av.train_unit2a export --checkpoint runs/ko/checkpoints/best.pt --into unit_av_renderer.pt --out-path ko.safetensors
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.command import Parser
from avcore.errors import UsageError
from avcore.units import normalise_language, require_same_vocabulary
from avtrain.export import require_name, run_export
from unit2av.export import renderer_parser
from unit2av.stage import RENDERER, with_vocoder, with_vocoder_settings
from unit2av.voice.speech import UnitVocoder
from unit2av.voice.training.start import RunCheckpoint, read_run_checkpoint


def export_vocoder(
    checkpoint: str | Path,
    out_path: str | Path,
    into: str | Path | None = None,
    language: str = "",
    allow_other_vocabulary: bool = False,
    edge_unit: int | None = None,
) -> Path:
    """Write a renderer checkpoint that has a run's vocoder, and return its path.

    into: a renderer whose other voices and face are kept; a voice of the same language is replaced. language: "" = the
    run's. edge_unit: see unit2av.voice.speech; None = the run's. Raises CheckpointError for files of another kind, VocabularyError
    when the renderer's units are of another quantizer, UsageError for
    an edge unit that the vocoder does not have.
    """
    out_path = require_name(out_path)
    run_checkpoint = read_run_checkpoint(checkpoint)
    language = normalise_language(language or run_checkpoint.language)
    base = read_checkpoint(into, RENDERER) if into is not None else None
    config = dict(base.config) if base is not None else {"vocabulary": run_checkpoint.vocabulary}
    if not allow_other_vocabulary:
        require_same_vocabulary(run_checkpoint.vocabulary, str(config.get("vocabulary", "")), f"the renderer {into}")
    tensors = with_vocoder({} if base is None else base.tensors, language, run_checkpoint.tensors)
    edge = {} if edge_unit is None else {"edge_unit": _known(edge_unit, run_checkpoint)}
    path = write_checkpoint(out_path, RENDERER, _with_voice(config, language, run_checkpoint, edge), tensors)
    UnitVocoder.from_checkpoint(path, language)  # proof that it can be read and fits
    return path


def build_parser() -> Parser:
    """Return the command's options."""
    parser = renderer_parser("export_unit2a", "a trained vocoder", "a renderer checkpoint whose other voices and face are kept")
    parser.add_argument("--language", default="", help="name of the voice (default: the run's language)")
    parser.add_argument("--edge-unit", type=int, help="unheard neighbour of the first and last unit said (default: the run's)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_export(build_parser(), export_vocoder, argv)


def _known(unit: int, voice: RunCheckpoint) -> int:
    rows = len(voice.tensors["dict.weight"])
    if not 0 <= unit < rows:
        raise UsageError("--edge-unit is no unit of this vocoder", expected=f"0..{rows - 1}", found=unit)
    return unit


def _with_voice(config: dict[str, Any], language: str, voice: RunCheckpoint, changed: dict[str, Any]) -> dict[str, Any]:
    """A renderer's configuration with what the tensors of the voice can't tell; our tables start with unit 0."""
    settings = {**voice.settings, **changed, "vocabulary": voice.vocabulary, "trained_steps": voice.step}
    offsets = {**config.get("unit_offsets", {}), language: 0}
    return {**with_vocoder_settings(config, language, settings), "unit_offsets": offsets}
