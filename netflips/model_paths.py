"""Paths of the weights of a dub, the bundle's or given ones, and how the models run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle, bundle_of, checkpoints_or_bundle, find_bundle, needed_stages, optional_or_bundle
from avcore.checkpoints.stages import Stage
from avcore.errors import InputError, UsageError
from avcore.units import normalise_language
from netflips import stages
from text2unit.stage import TEXT2UNIT
from unit2av.stage import RENDERER, SPEAKER_ENCODER

_PATH = "_path"
UnitOffset = int | Literal["auto"]


@dataclass(frozen=True)
class ModelPaths:
    """Paths of the weights. They may be given as text. Raises UsageError for anything else."""

    av2unit: Path | None
    """unit encoder; None in the cascade, which has none"""
    utut: Path | None
    """unit translator; None in the cascade, which has none"""
    unit2av: Path
    """renderer"""
    speaker_encoder: Path | None = None
    """None takes resemblyzer's weights, which come with NetfLips"""
    others: Mapping[str, Path] = field(default_factory=dict, hash=False)
    """of stages that not every dub needs, by their names in a bundle, as `unit-to-text` or `text-to-unit.ko`"""

    def __post_init__(self) -> None:
        for name in ("av2unit", "utut", "unit2av", "speaker_encoder"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, str | Path):
                raise UsageError(f"{name} is no path", expected="a path or text", found=type(given).__name__)
            object.__setattr__(self, name, None if given is None else Path(given))
        object.__setattr__(self, "others", {part: Path(path) for part, path in self.others.items()})

    @classmethod
    def of(cls, needed: Mapping[Stage, Path], speaker_encoder: Path | None, others: Mapping[str, Path]) -> "ModelPaths":
        """Return the paths from the checkpoints of the stages that a dub needs: all, or in the cascade the renderer."""
        named: dict[str, Path | None] = dict.fromkeys(stage.option.removesuffix(_PATH) for stage in needed_stages())
        named |= {stage.option.removesuffix(_PATH): path for stage, path in needed.items()}
        return cls(**named, speaker_encoder=speaker_encoder, others=others)  # type: ignore[arg-type]

    def other(self, stage: Stage, language: str = "") -> Path | None:
        """Return the checkpoint of a stage that not every dub needs; None = there is none.

        language: for a stage with a model for each language; a model that was given with the flag serves any language.
        """
        return self.others.get(stage.part_for(language)) or self.others.get(stage.part)

    @property
    def needed(self) -> dict[Stage, Path]:
        """The checkpoints of the stages that this dub needs."""
        paths = {stage: getattr(self, stage.option.removesuffix(_PATH)) for stage in needed_stages()}
        return {stage: path for stage, path in paths.items() if path is not None}

    @property
    def all(self) -> tuple[Path, ...]:
        """All files that were given."""
        return (*self.needed.values(), *filter(None, (self.speaker_encoder,)), *self.others.values())


@dataclass(frozen=True)
class RunOptions:
    """How the models run."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps"""
    precision: str = "float32"
    """number format"""
    vocoder_unit_offset: UnitOffset = "auto"
    translator_unit_offset: int | None = None
    speaks: bool = True
    """whether the renderer speaks, in the target language; otherwise speech is given, and keeps its sound"""
    unloads: bool = False
    """whether stages leave memory when a dub is done with them; they are read again for the next dub"""


def require_bundle() -> Bundle:
    """Return the default bundle. Raises InputError when there is none."""
    bundle = find_bundle()
    if bundle is None:
        raise InputError("no models come with this installation", hint="`make train-demo` makes the demo bundle")
    return bundle


def bundle_paths(bundle: Bundle | None = None) -> ModelPaths:
    """Return the checkpoints of a bundle; None = the default one. Raises InputError when there is none."""
    bundle = bundle or require_bundle()
    return ModelPaths.of({stage: bundle.checkpoint(stage) for stage in needed_stages()}, None, _others(bundle))


def given_or_bundle(options: Any) -> ModelPaths:
    """Return the checkpoints that were given with the flags of the stages, or those of the bundle where none was given.

    A model that not every dub needs is taken from the bundle that the others lie in, unless it was given with its own flag. The
    cascade needs only the renderer, and with given speech also the unit encoder. Given speech needs no translator. Raises
    UsageError as `avcore.checkpoints.bundle.checkpoints_or_bundle` does.
    """
    is_given = getattr(options, "speak_with", None) is not None or getattr(options, "speech_in", None) is not None
    needed = (RENDERER,) if getattr(options, "cascade", False) else needed_stages()
    if is_given and (len(needed) == 1 or (options.utut_path is None and options.av2unit_path is not None)):
        needed = (UNIT_ENCODER, RENDERER)

    found = checkpoints_or_bundle({stage: getattr(options, stage.option) for stage in needed})
    bundle = bundle_of(next(iter(found.values())))
    packed = {} if bundle is None else _others(bundle)
    given = {one.part: getattr(options, one.option, None) for one in stages.STAGES if one.place == "optional"}
    return ModelPaths.of(found, options.speaker_encoder_path, packed | {part: path for part, path in given.items() if path})


def paths_asked(options: Any, *needed: Stage, spells: str = "") -> ModelPaths:
    """Return the checkpoints of a command that needs few: those of its flags, else the bundle's. spells: language of the
    text-to-unit model; "" = none is needed. Raises UsageError, and InputError for a file that is not there."""
    others = {TEXT2UNIT.part: optional_or_bundle(options.text2unit_path, TEXT2UNIT, normalise_language(spells))} if spells else {}
    found = checkpoints_or_bundle({stage: getattr(options, stage.option) for stage in needed})
    return ModelPaths.of(found, getattr(options, SPEAKER_ENCODER.option, None), others)


def _others(bundle: Bundle) -> dict[str, Path]:
    """Return the models of a bundle that not every dub needs, by name."""
    optional = (one for one in bundle.models if one.stage.place == "optional")
    return {one.part: bundle.folder / one.file for one in optional}
