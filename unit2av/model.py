"""The unit AV renderer's checkpoint: a vocoder for each language and one face renderer, in one file.

Keys: `audio.<language>.<key of vocoder.UnitHifiGan>` and `video.<key of the face renderer>`. The configuration of our own
files may hold "upsample_rates", "dilations", "edge_unit" and "vocabulary" for the whole file, the same for one vocoder in
"vocoders": {language: {...}}, "vocabulary" for the face renderer in "face": {...}, and "unit_offsets": {language: n}.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.stages import Checkpoint
from avcore.units.vocabulary import normalise_language
from unit2av.layout import AUDIO, FACE_SETTINGS, OWN_SETTINGS, VIDEO
from unit2av.layout import RendererCheckpoint as RendererCheckpoint
from unit2av.stage import RENDERER

if TYPE_CHECKING:
    from torch import Tensor


def open_renderer_checkpoint(path: str | Path) -> RendererCheckpoint:
    """Open a published renderer checkpoint or one of our own. Raises CheckpointError for anything else."""
    from avcore.checkpoints.checkpoint import read_checkpoint

    return RendererCheckpoint(read_checkpoint(path, RENDERER))


def open_training_checkpoint(path: str | Path, language: str, config: Mapping[str, Any]) -> RendererCheckpoint:
    """Open a vocoder as its training saves it, `g_XXXXXXXX` = {"generator": tensors}, as the only one of a renderer.

    language: the name it gets; the file has none. config: as `RendererCheckpoint.config`. Raises InputError.
    """
    from avcore.checkpoints.checkpoint import fingerprint_tensors
    from avdata.published.items import read_generator

    tensors = with_vocoder({}, language, read_generator(path))
    return RendererCheckpoint(Checkpoint(Path(path), RENDERER, dict(config), tensors, fingerprint_tensors(tensors)))


def with_vocoder(tensors: "Mapping[str, Tensor]", language: str, vocoder: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return a renderer's tensors with the vocoder of a language put in, in place of one that is there; shapes stay."""
    prefix = f"{AUDIO}.{normalise_language(language)}."
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**others, **{f"{prefix}{name}": tensor for name, tensor in vocoder.items()}}


def with_vocoder_settings(config: Mapping[str, Any], language: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a renderer's configuration with the settings of one language's vocoder (see `RendererCheckpoint.vocoder_settings`)."""
    return {**config, OWN_SETTINGS: {**config.get(OWN_SETTINGS, {}), normalise_language(language): dict(settings)}}


def with_face(tensors: "Mapping[str, Tensor]", face: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return a renderer's tensors with a face renderer put in, in place of one that is there; shapes stay."""
    prefix = f"{VIDEO}."
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**others, **{f"{prefix}{name}": tensor for name, tensor in face.items()}}


def with_face_settings(config: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a renderer's configuration with the settings of its face renderer (see `RendererCheckpoint.face_settings`)."""
    return {**config, FACE_SETTINGS: dict(settings)}
