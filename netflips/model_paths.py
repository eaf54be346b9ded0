"""Where the weights of a dub are, and how they run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from avcore.checkpoints.bundle import needed_stages
from avcore.checkpoints.stages import Stage
from avcore.errors import UsageError

_PATH = "_path"
UnitOffset = int | Literal["auto"]


@dataclass(frozen=True)
class ModelPaths:
    """Where the weights are. av2unit, utut: None in the cascade, which has neither. speaker_encoder: None takes
    resemblyzer's weights, which come along.

    others: of stages that not every dub needs, by their names among the models of a bundle, as `recognizer` or `speller.ko`.
    """

    av2unit: Path | None
    utut: Path | None
    unit2av: Path
    speaker_encoder: Path | None = None
    others: Mapping[str, Path] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _take_paths(self, "av2unit", "utut", "unit2av", "speaker_encoder")
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

    puts_away: stages leave memory when a dub has done with them, and are read again for the next one.
    """

    device: str = "auto"
    precision: str = "float32"
    vocoder_unit_offset: UnitOffset = "auto"
    translator_unit_offset: int | None = None
    puts_away: bool = False


def _take_paths(options: object, *names: str) -> None:
    """Let a path be given as text. Raises UsageError for what is neither."""
    for name in names:
        given = getattr(options, name)
        if given is not None and not isinstance(given, str | Path):
            raise UsageError(f"{name} is no path", expected="a path or text", found=type(given).__name__)
        object.__setattr__(options, name, None if given is None else Path(given))
