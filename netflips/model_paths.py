"""Where the weights of a dub are, the bundle's or those that were given, and how they run."""

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
    """Where the weights are. av2unit, utut: None in the cascade, which has neither. speaker_encoder: None takes
    resemblyzer's weights, which come along.

    others: of stages that not every dub needs, by their names in a bundle, as `unit-to-text` or `text-to-unit.ko`. Paths
    may be given as text. Raises UsageError for what is neither.
    """

    av2unit: Path | None
    utut: Path | None
    unit2av: Path
    speaker_encoder: Path | None = None
    others: Mapping[str, Path] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("av2unit", "utut", "unit2av", "speaker_encoder"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, str | Path):
                raise UsageError(f"{name} is no path", expected="a path or text", found=type(given).__name__)
            object.__setattr__(self, name, None if given is None else Path(given))
        object.__setattr__(self, "others", {part: Path(path) for part, path in self.others.items()})

    @classmethod
    def of(cls, needed: Mapping[Stage, Path], speaker_encoder: Path | None, others: Mapping[str, Path]) -> "ModelPaths":
        """The same from the checkpoints of the stages that a dub needs: all, or in the cascade the renderer."""
        named: dict[str, Path | None] = dict.fromkeys(stage.option.removesuffix(_PATH) for stage in needed_stages())
        named |= {stage.option.removesuffix(_PATH): path for stage, path in needed.items()}
        return cls(**named, speaker_encoder=speaker_encoder, others=others)  # type: ignore[arg-type]

    def other(self, stage: Stage, language: str = "") -> Path | None:
        """Return the checkpoint of a stage that not every dub needs, None = there is none.

        language: of a stage that has a model for each of them; one that was given with the flag serves any.
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
    """How the models run: device, number format, unit offsets.

    unloads: stages leave memory when a dub has done with them, and are read again for the next one.
    """

    device: str = "auto"
    precision: str = "float32"
    vocoder_unit_offset: UnitOffset = "auto"
    translator_unit_offset: int | None = None
    unloads: bool = False


def require_bundle() -> Bundle:
    """Return the bundle that is used by default. Raises InputError when there is none."""
    bundle = find_bundle()
    if bundle is None:
        raise InputError("no models come with this installation", hint="`make train-demo` makes the demo bundle")
    return bundle


def bundle_paths(bundle: Bundle | None = None) -> ModelPaths:
    """Return the checkpoints of a bundle; None = the default one. Raises InputError when there is none."""
    bundle = bundle or require_bundle()
    return ModelPaths.of({stage: bundle.checkpoint(stage) for stage in needed_stages()}, None, _others(bundle))


def given_or_bundle(options: Any) -> ModelPaths:
    """Return the checkpoints that a command was given with the flags of the stages, or where none was, those of the bundle.

    A model that not every dub needs is taken from the bundle that the others lie in, unless it was given with a flag of its own.
    The cascade needs the renderer alone, and for speech that is given the unit encoder; such speech needs no translator.
    Raises UsageError as `avcore.checkpoints.bundle.checkpoints_or_bundle` does.
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
    """Return the checkpoints of a command that needs few: those of its flags, else the bundle's. spells: the language of the
    text-to-unit model, "" = it needs none. Raises UsageError, and InputError for a file that is not there."""
    others = {TEXT2UNIT.part: optional_or_bundle(options.text2unit_path, TEXT2UNIT, normalise_language(spells))} if spells else {}
    found = checkpoints_or_bundle({stage: getattr(options, stage.option) for stage in needed})
    return ModelPaths.of(found, getattr(options, SPEAKER_ENCODER.option, None), others)


def _others(bundle: Bundle) -> dict[str, Path]:
    """Return the models of a bundle that not every dub needs, by name."""
    optional = (one for one in bundle.models if one.stage.place == "optional")
    return {one.part: bundle.folder / one.file for one in optional}
