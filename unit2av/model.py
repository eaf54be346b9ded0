"""The unit AV renderer's checkpoint: a vocoder for each language and one face renderer, in one file.

Keys: `audio.<language>.<key of vocoder.UnitHifiGan>` and `video.<key of the face renderer>`. The configuration of our own
files may hold "upsample_rates", "dilations", "edge_unit" and "vocabulary" for the whole file, the same for one vocoder in
"vocoders": {language: {...}}, "vocabulary" for the face renderer in "face": {...}, and "unit_offsets": {language: n}.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from avcore.checkpoints.checkpoint import Checkpoint, fingerprint_tensors, read_checkpoint
from avcore.errors import CheckpointError
from avcore.units.vocabulary import normalise_language, require_language
from avdata.published.items import read_generator
from unit2av.stage import RENDERER

_AUDIO, _VIDEO = "audio", "video"
_OWN_SETTINGS = "vocoders"
"""In the configuration: settings by language, for vocoders that differ from the others in the file."""
_FACE_SETTINGS = "face"
"""In the configuration: settings of the face renderer."""


@dataclass(frozen=True)
class RendererCheckpoint:
    """What one renderer checkpoint holds; the tensors stay on disk until they are used."""

    source: Checkpoint

    @property
    def config(self) -> dict[str, Any]:
        """What the tensors can't tell: {} for published files, see avcore.checkpoints.checkpoint for our own."""
        return self.source.config

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the vocoders, in the file's order."""
        keys = (key.split(".") for key in self.source.tensors)
        return tuple(dict.fromkeys(parts[1] for parts in keys if parts[0] == _AUDIO and len(parts) > 2))

    @property
    def has_face(self) -> bool:
        """Whether a face renderer is in the file."""
        return any(key.startswith(f"{_VIDEO}.") for key in self.source.tensors)

    def vocoder_tensors(self, language: str) -> dict[str, Tensor]:
        """The vocoder of a language, shapes as stored. Raises LanguageError listing the languages when there is none."""
        name = require_language(
            language, self.languages, str(self.source.path), "choose one of them or another renderer checkpoint"
        )
        return self.source.section(f"{_AUDIO}.{name}")

    def vocoder_settings(self, language: str) -> dict[str, Any]:
        """What the tensors of a language's vocoder can't tell: its own settings before those of the whole file."""
        own: dict[str, Any] = self.config.get(_OWN_SETTINGS, {}).get(normalise_language(language), {})
        return {**self.config, **own}

    @property
    def face_settings(self) -> dict[str, Any]:
        """What the face renderer's tensors can't tell: its own settings before those of the whole file."""
        return {**self.config, **self.config.get(_FACE_SETTINGS, {})}

    def face_tensors(self) -> dict[str, Tensor]:
        """The face renderer, shapes as stored. Raises CheckpointError when the file has none."""
        if not self.has_face:
            raise CheckpointError("this renderer checkpoint has no face renderer", path=self.source.path, expected="keys video.*")
        return self.source.section(_VIDEO)


def open_renderer_checkpoint(path: str | Path) -> RendererCheckpoint:
    """Open a published renderer checkpoint or one of our own. Raises CheckpointError for anything else."""
    return RendererCheckpoint(read_checkpoint(path, RENDERER))


def open_training_checkpoint(path: str | Path, language: str, config: Mapping[str, Any]) -> RendererCheckpoint:
    """Open a vocoder as its training saves it, `g_XXXXXXXX` = {"generator": tensors}, as the only one of a renderer.

    language: the name it gets; the file has none. config: as `RendererCheckpoint.config`. Raises InputError.
    """
    tensors = with_vocoder({}, language, read_generator(path))
    return RendererCheckpoint(Checkpoint(Path(path), RENDERER, dict(config), tensors, fingerprint_tensors(tensors)))


def with_vocoder(tensors: Mapping[str, Tensor], language: str, vocoder: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A renderer's tensors with the vocoder of a language put in, in place of one that is there; shapes stay."""
    prefix = f"{_AUDIO}.{normalise_language(language)}."
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**others, **{f"{prefix}{name}": tensor for name, tensor in vocoder.items()}}


def with_vocoder_settings(config: Mapping[str, Any], language: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A renderer's configuration with the settings of one language's vocoder (see `RendererCheckpoint.vocoder_settings`)."""
    return {**config, _OWN_SETTINGS: {**config.get(_OWN_SETTINGS, {}), normalise_language(language): dict(settings)}}


def with_face(tensors: Mapping[str, Tensor], face: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A renderer's tensors with a face renderer put in, in place of one that is there; shapes stay."""
    prefix = f"{_VIDEO}."
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**others, **{f"{prefix}{name}": tensor for name, tensor in face.items()}}


def with_face_settings(config: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A renderer's configuration with the settings of its face renderer (see `RendererCheckpoint.face_settings`)."""
    return {**config, _FACE_SETTINGS: dict(settings)}
