"""The stage of the renderer, voices and face in one file, and of the speaker encoder: their kinds of checkpoints.

| of | published | config | tensors |
| --- | --- | --- | --- |
| renderer | {audio: {language: state dict}, video: state dict} | {} when published | `audio.<language>.<key>`, `video.<key>` |
| speaker encoder | {model_state: state dict} | {} | `model_state` |

The keys of a renderer are `audio.<language>.<key of vocoder.UnitHifiGan>` and `video.<key of the face renderer>`. The
configuration of our own files may hold "upsample_rates", "dilations", "edge_unit" and "vocabulary" for the whole file, the same
for one vocoder in "vocoders": {language: {...}}, "vocabulary" for the face renderer in "face": {...}, and "unit_offsets":
{language: n}. Every command imports this: torch is imported where a file is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.stages import Checkpoint, CheckpointLayout, Near, Stage
from avcore.errors import CheckpointError
from avcore.files import require_file

if TYPE_CHECKING:
    from torch import Tensor

AUDIO, VIDEO = "audio", "video"
OWN_SETTINGS = "vocoders"
"""In the configuration: settings by language, for vocoders that differ from the others in the file."""
FACE_SETTINGS = "face"
"""In the configuration: settings of the face renderer."""
_PUT_IN = "put it into a renderer: netflips convert RENDERER -o NEW.safetensors --add-vocoder LANGUAGE=FILE"


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
        return tuple(dict.fromkeys(parts[1] for parts in keys if parts[0] == AUDIO and len(parts) > 2))

    @property
    def has_face(self) -> bool:
        """Whether a face renderer is in the file."""
        return any(key.startswith(f"{VIDEO}.") for key in self.source.tensors)

    def vocoder_tensors(self, language: str) -> "dict[str, Tensor]":
        """Return the vocoder of a language, shapes as stored. Raises LanguageError listing the languages when there is none."""
        from avcore.units import require_language

        name = require_language(
            language, self.languages, str(self.source.path), "choose one of them or another renderer checkpoint"
        )
        return self.source.section(f"{AUDIO}.{name}")

    def vocoder_settings(self, language: str) -> dict[str, Any]:
        """Return what the tensors of a language's vocoder can't tell: its own settings before those of the whole file."""
        from avcore.units import normalise_language

        own: dict[str, Any] = self.config.get(OWN_SETTINGS, {}).get(normalise_language(language), {})
        return {**self.config, **own}

    @property
    def unit_offsets(self) -> dict[str, int]:
        """Rows of unit 0 by language, as far as they are stated (see `unit2av.voice.speech`). Raises CheckpointError."""
        offsets = self.config.get("unit_offsets", {})
        rows = offsets.values() if isinstance(offsets, dict) else [None]
        if not all(isinstance(row, int) and not isinstance(row, bool) for row in rows):
            what, expected = '"unit_offsets" of the renderer cannot be used', "a whole number for each language"
            raise CheckpointError(what, path=self.source.path, expected=expected, found=repr(offsets)[:40])
        return dict(offsets)

    @property
    def face_settings(self) -> dict[str, Any]:
        """What the face renderer's tensors can't tell: its own settings before those of the whole file."""
        return {**self.config, **self.config.get(FACE_SETTINGS, {})}

    def face_tensors(self) -> "dict[str, Tensor]":
        """Return the face renderer, shapes as stored. Raises CheckpointError when the file has none."""
        if not self.has_face:
            raise CheckpointError("this renderer checkpoint has no face renderer", path=self.source.path, expected="keys video.*")
        return self.source.section(VIDEO)


class RendererLayout(CheckpointLayout):
    """The unit AV renderer."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        from avcore.checkpoints.layouts import holds_tensors, trainer_tensors

        audio = payload.get("audio")
        if trainer_tensors(payload):
            return False

        if (isinstance(audio, Mapping) and any(map(holds_tensors, audio.values()))) or holds_tensors(payload.get("video")):
            return True

        if "generator" in payload:
            return Near("a vocoder training checkpoint (g_XXXXXXXX) of one language", _PUT_IN)
        if "mpd" in payload or "msd" in payload:
            return Near("the discriminators of vocoder training (do_XXXXXXXX)", "they serve to resume training only")
        return False

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], "dict[str, Tensor]"]:
        from avcore.checkpoints.layouts import plain_tensors

        audio = payload.get("audio") or {}
        if not isinstance(audio, Mapping):
            raise CheckpointError(
                "the voices of the renderer cannot be read", path=path, expected="state dicts by language in audio"
            )

        sections = {f"audio.{language}": state for language, state in audio.items()}
        if payload.get("video") is not None:
            sections["video"] = payload["video"]
        states = {name: plain_tensors(state, name, path) for name, state in sections.items()}
        return {}, {f"{name}.{key}": tensor for name, state in states.items() for key, tensor in state.items()}

    def languages(self, checkpoint: Checkpoint) -> list[str]:
        """Those that it speaks."""
        return list(RendererCheckpoint(checkpoint).languages)

    def updates(self, checkpoint: Checkpoint) -> int | dict[str, int] | None:
        """Of each voice and of the face, which are trained apart."""
        parts = {**(checkpoint.config.get("vocoders") or {}), "face": checkpoint.config.get("face") or {}}
        by_part = {name: one["trained_steps"] for name, one in parts.items() if "trained_steps" in one}
        return super().updates(checkpoint) or by_part or None

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """Those of the voice and of the face; with a language both must be there."""
        renderer = RendererCheckpoint(checkpoint)
        if language is None:
            return {}
        # Asked for only because they raise where the voice or the face is missing.
        renderer.vocoder_tensors(language), renderer.face_tensors()
        settings = {"speech": renderer.vocoder_settings(language), "face": renderer.face_settings}
        return {part: str(one.get("vocabulary") or "") for part, one in settings.items()}


class SpeakerLayout(CheckpointLayout):
    """The GE2E speaker encoder in the layout of Real-Time Voice Cloning."""

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        from avcore.checkpoints.layouts import trainer_tensors

        state = payload.get("model_state")
        return not trainer_tensors(payload) and isinstance(state, Mapping) and self.recognizes(state.keys())

    def extract(self, payload: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], "dict[str, Tensor]"]:
        from avcore.checkpoints.layouts import plain_tensors

        return {}, plain_tensors(payload["model_state"], "model_state", path)

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """None: it takes no units."""
        return {}


def read_vocoder(path: str | Path) -> "dict[str, Tensor]":
    """Read the vocoder of a training checkpoint g_XXXXXXXX, {generator: state dict}, shapes as stored.

    Raises CheckpointError or InputError.
    """
    from avcore.checkpoints.layouts import identify, plain_tensors
    from avcore.checkpoints.pickles import Format, check_tensors, load_pickled, sniff

    path = require_file(path, "the vocoder checkpoint")
    stored = sniff(path)
    payload = load_pickled(path, stored) if stored is not Format.SAFETENSORS else {}
    generator = payload.get("generator") if isinstance(payload, Mapping) else None
    if not isinstance(generator, Mapping) or "dict.weight" not in generator:
        raise CheckpointError(
            "this is no vocoder training checkpoint",
            path=path,
            expected="the generator of a unit vocoder (g_XXXXXXXX)",
            found=identify(payload, path).words if payload else f"a {stored.value} file",
        )

    tensors = plain_tensors(generator, "generator", path)
    check_tensors(path, stored, tensors)
    return tensors


RENDERER = Stage(
    kind="renderer",
    file="renderer.safetensors",
    recognizes=lambda names: any(str(name).startswith(("audio.", "video.")) for name in names),
    name="unit2av",
    flag="--unit2av-path",
    example="unit_av_renderer_withKO.pt",
    place="needed",
    make_layout=RendererLayout,
)
SPEAKER_ENCODER = Stage(
    kind="speaker encoder",
    file="speaker_encoder.safetensors",
    recognizes=lambda names: "lstm.weight_ih_l0" in names,
    name="speaker_encoder",
    flag="--speaker-encoder-path",
    example="encoder.pt",
    place="no",
    make_layout=SpeakerLayout,
)
STAGE = (RENDERER, SPEAKER_ENCODER)


def open_renderer_checkpoint(path: str | Path) -> RendererCheckpoint:
    """Open a published renderer checkpoint or one of our own. Raises CheckpointError for anything else."""
    from avcore.checkpoints.checkpoint import read_checkpoint

    return RendererCheckpoint(read_checkpoint(path, RENDERER))


def open_for_export(into: str | Path | None, vocabulary: str) -> tuple[dict[str, Any], "Mapping[str, Tensor]"]:
    """Return configuration and tensors of the renderer that a trained network is put into; of a new one for None.

    vocabulary: fingerprint of the network's quantizer, "" = unknown. Raises VocabularyError for a renderer of other units, and
    CheckpointError for another file.
    """
    from avcore.checkpoints.checkpoint import read_checkpoint
    from avcore.units import require_same_vocabulary

    if into is None:
        return {"vocabulary": vocabulary}, {}
    base = read_checkpoint(into, RENDERER)
    require_same_vocabulary(vocabulary, str(base.config.get("vocabulary", "")), f"the renderer {into}")
    return dict(base.config), base.tensors


def open_training_checkpoint(path: str | Path, language: str, config: Mapping[str, Any]) -> RendererCheckpoint:
    """Open a vocoder as its training saves it, `g_XXXXXXXX` = {"generator": tensors}, as the only one of a renderer.

    language: the name it gets; the file has none. config: as `RendererCheckpoint.config`. Raises InputError.
    """
    from avcore.checkpoints.checkpoint import fingerprint_tensors
    from avcore.checkpoints.vocoder_files import read_generator

    tensors = with_vocoder({}, language, read_generator(path))
    return RendererCheckpoint(Checkpoint(Path(path), RENDERER, dict(config), tensors, fingerprint_tensors(tensors)))


def with_vocoder(tensors: "Mapping[str, Tensor]", language: str, vocoder: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return a renderer's tensors with the vocoder of a language put in, in place of one that is there; shapes stay."""
    from avcore.units import normalise_language

    prefix = f"{AUDIO}.{normalise_language(language)}."
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**others, **{f"{prefix}{name}": tensor for name, tensor in vocoder.items()}}


def with_vocoder_settings(config: Mapping[str, Any], language: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a renderer's configuration with the settings of one language's vocoder (see `RendererCheckpoint.vocoder_settings`)."""
    from avcore.units import normalise_language

    return {**config, OWN_SETTINGS: {**config.get(OWN_SETTINGS, {}), normalise_language(language): dict(settings)}}


def with_face(tensors: "Mapping[str, Tensor]", face: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return a renderer's tensors with a face renderer put in, in place of one that is there; shapes stay."""
    prefix = f"{VIDEO}."
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**others, **{f"{prefix}{name}": tensor for name, tensor in face.items()}}


def with_face_settings(config: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a renderer's configuration with the settings of its face renderer (see `RendererCheckpoint.face_settings`)."""
    return {**config, FACE_SETTINGS: dict(settings)}
