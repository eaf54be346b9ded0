"""Put a trained face renderer into a renderer checkpoint: one that is there already, or a new one without voices.

python -m unit2av.train_unit2v export --checkpoint runs/lips/checkpoints/best.pt --into unit_av_renderer.pt \\
    --out-path new.safetensors
"""

from collections.abc import Sequence
from pathlib import Path

from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.command import Parser
from avcore.units import require_same_vocabulary
from avtrain.export import read_run, require_name, run_export
from unit2av.export import renderer_parser
from unit2av.face.training.task import FACE, KIND
from unit2av.renderer import LipRenderer
from unit2av.stage import RENDERER, with_face, with_face_settings


def export_face(
    checkpoint: str | Path, out_path: str | Path, into: str | Path | None = None, allow_other_vocabulary: bool = False
) -> Path:
    """Write a renderer checkpoint that has a run's face renderer, and return its path.

    into: a renderer whose voices are kept; its face is replaced. Raises CheckpointError for files of another kind,
    VocabularyError when the renderer's units are of another quantizer.
    """
    out_path = require_name(out_path)
    state = read_run(checkpoint, KIND, "unit2av.train_unit2v")
    vocabulary = str(state["about"]["vocabulary"])
    base = read_checkpoint(into, RENDERER) if into is not None else None
    config = dict(base.config) if base is not None else {"vocabulary": vocabulary}
    if not allow_other_vocabulary:
        require_same_vocabulary(vocabulary, str(config.get("vocabulary", "")), f"the renderer {into}")
    config = with_face_settings(config, {"vocabulary": vocabulary, "trained_steps": int(state["position"]["step"])})
    tensors = {name: tensor.contiguous() for name, tensor in state["modules"][FACE].items()}
    path = write_checkpoint(out_path, RENDERER, config, with_face({} if base is None else base.tensors, tensors))
    LipRenderer.from_checkpoint(path)  # proof that it can be read and fits
    return path


def build_parser() -> Parser:
    """Return the command's options."""
    return renderer_parser("export_unit2v", "a trained face renderer", "a renderer checkpoint whose voices are kept")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_export(build_parser(), export_face, argv)
