"""Kinds of checkpoints: the file that holds one, how it is recognized, its layout, and its content once it is read.

A stage package exports `STAGE` from its module `stage`, one kind of checkpoint or a tuple of them; every command imports that
module, so it imports nothing heavy. Models are loaded by the installation's table of loaders.

The module that lists the kinds, their loaders and the bundle of this installation (`TABLE`) is imported only where it is needed:
when a file is of another kind than the one that was asked for, and for the default models.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast, get_args

from avcore.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


Precision = Literal["float32", "bfloat16", "float16", "auto"]
"""A number format to compute in, as options name it."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
"""Number formats to compute in."""
STORED_PRECISIONS = ("keep", "float32", "float16", "bfloat16", "int8")
"""Number formats to store weights in; `keep` leaves each weight as it is."""
Place = Literal["needed", "optional", "no"]
"""Whether a bundle holds a model of a stage: always, optionally, or never."""

Recognizes = Callable[[Collection[str]], bool]

SUFFIX = ".safetensors"
TABLE = "netflips.stages"
"""The module that lists what is installed, see `StageTable`."""


@dataclass(frozen=True)
class Running:
    """How a model runs."""

    device: str = "cpu"
    """as the flag names it"""
    precision: str = "float32"
    """as the flag names it"""
    source: str = "en"
    target: str = "ko"
    """the languages to translate from and into"""
    unit_offset: int | None = None
    """where the model starts to count units; None = as its checkpoint states"""


class Near(NamedTuple):
    """A file that a stage recognizes but cannot use."""

    words: str
    """describes the file"""
    hint: str
    """what to do"""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that was read."""

    path: Path
    stage: "Stage"
    config: dict[str, Any]
    """the configuration, plain JSON values"""
    tensors: "dict[str, Tensor]"
    """by name, on the CPU, mapped from the file"""
    fingerprint: str
    """identifies configuration and tensors"""
    updates: int | None = None
    """updates of its training; None = the file does not state them"""

    @property
    def kind(self) -> str:
        """Its kind in words, for messages."""
        return self.stage.kind

    def section(self, prefix: str) -> "dict[str, Tensor]":
        """Return the tensors below `prefix.` without that prefix, in their own shapes and without a copy."""
        start = f"{prefix}."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


class CheckpointLayout:
    """Reads and writes the files of a stage in our own format; stages with other files override what is different."""

    def __init__(self, recognizes: Recognizes) -> None:
        """recognizes: whether names of tensors are those of such a model."""
        self.recognizes = recognizes

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        """Return whether the content of a .pt file is of this stage. Raises CheckpointError when its settings cannot be read."""
        return False

    def extract(self, payload: Mapping[str, Any], path: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
        """Return configuration and tensors, in stored shapes, of a file that `identify` accepted. Raises CheckpointError."""
        raise CheckpointError("models of this kind are in our own format only", path=path, expected=f"a {SUFFIX} file")

    def whole(self, tensors: "Mapping[str, Tensor]", path: Path) -> "dict[str, Tensor]":
        """Return the tensors of our own file under all of their names. Raises CheckpointError when they do not go together."""
        return dict(tensors)

    def stored(self, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return those tensors of `whole` that our own file stores."""
        return dict(tensors)

    def languages(self, checkpoint: Checkpoint) -> list[str]:
        """Return the two-letter names of the languages that a checkpoint is for; empty where it states none."""
        stated = checkpoint.config.get("languages") or checkpoint.config.get("language") or []
        return [stated] if isinstance(stated, str) else [str(one) for one in stated] if isinstance(stated, list) else []

    def updates(self, checkpoint: Checkpoint) -> int | dict[str, int] | None:
        """Return the updates of its training, by part where several parts were trained; None where the file states none."""
        trained = checkpoint.config.get("trained")
        stated = trained.get("steps") if isinstance(trained, Mapping) else None
        return checkpoint.updates or stated

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """Return the fingerprints of its units' quantizers, by part of the file ("" = all of it). Fingerprint "" = not stated.

        language: that of a bundle, None = none. Raises LanguageError or CheckpointError where the file has nothing for it.
        """
        return {"": str(checkpoint.config.get("vocabulary") or "")}


@dataclass(frozen=True, eq=False)
class Stage:
    """One kind of model."""

    kind: str
    """its name in its checkpoints and in messages"""
    file: str
    """its file in a bundle; the stem is the model's name in options"""
    recognizes: Recognizes
    """whether names of tensors are those of such a model"""
    name: str
    """its name in reports and in keys of kept work"""
    flag: str
    """the option that takes a checkpoint"""
    example: str
    """a file that the option takes"""
    needed: tuple[str, ...] = ()
    """settings without which a configuration is incomplete"""
    place: Place = "optional"
    by_language: bool = False
    """whether a bundle may hold one for each language, in files such as `stem.ko.safetensors`"""
    make_layout: Callable[[Recognizes], CheckpointLayout] = CheckpointLayout
    """makes the layout of its files"""
    random: Callable[[str, int], Mapping[str, Callable[[], dict[str, Any]]]] | None = None
    """given a size (`tiny` or `published`) and a seed, returns by file name what makes untrained files in a published layout"""

    @cached_property
    def layout(self) -> CheckpointLayout:
        """How its files are read and written."""
        return self.make_layout(self.recognizes)

    @property
    def part(self) -> str:
        """Its name among the models of a bundle, as options write it: `unit-encoder`."""
        return Path(self.file).stem.replace("_", "-")

    @property
    def option(self) -> str:
        """The attribute under which parsed options hold the value of its flag: `av2unit_path`."""
        return self.flag.lstrip("-").replace("-", "_")

    def part_for(self, language: str = "") -> str:
        """Return the name of a language's model in options: `text-to-unit.ko`; "" = the model for all languages."""
        return f"{self.part}.{language}" if language else self.part

    def file_for(self, language: str = "") -> str:
        """Return the name of a language's file in a bundle; "" = the file for all languages."""
        return f"{Path(self.file).stem}.{language}{SUFFIX}" if language else self.file

    def language_of(self, file: str) -> str | None:
        """Return the language of a bundle's file, "" = all languages; None for a file of another stage."""
        if file == self.file:
            return ""
        language = file.removeprefix(f"{Path(self.file).stem}.").removesuffix(SUFFIX)
        return language if self.by_language and language.isalpha() and file == self.file_for(language) else None


def stages_of(package: str) -> tuple[Stage, ...]:
    """Return the stages that a package exports."""
    exported: Stage | tuple[Stage, ...] = import_module(f"{package}.stage").STAGE
    return exported if isinstance(exported, tuple) else (exported,)


class StageTable(Protocol):
    """The module that lists what is installed."""

    STAGES: tuple[Stage, ...]
    """the kinds of checkpoint"""
    SHIPPED: Path
    """the folder of the bundle that comes with the installation, whether or not it exists"""

    def load(self, stage: Stage, path: Path, how: Running) -> Any:
        """Load the model of a checkpoint of that kind."""

    def named_model(self, name: str, flag: str) -> Path | None:
        """Find a model by the name that the user fetched it by; None for an unknown name, or a flag that takes no model."""


def stages() -> tuple[Stage, ...]:
    """Return all kinds that are installed; empty where avcore is installed alone."""
    house = _stage_table()
    return () if house is None else house.STAGES


def shipped_bundle() -> Path | None:
    """Return the folder of the models that come with the installation; None where none do."""
    house = _stage_table()
    return None if house is None else house.SHIPPED


def load_installed(stage: Stage, path: Path, how: Running) -> Any:
    """Load the model of a checkpoint by the installation's table of loaders. Raises LookupError where avcore is installed alone."""
    house = _stage_table()
    if house is None:
        raise LookupError(f"no package of this installation loads a {stage.kind}")
    return house.load(stage, path, how)


def named_model(name: str, flag: str) -> Path | None:
    """Find a model by the name that the user fetched it by; None for an unknown name, a flag that takes no model, or avcore alone.

    Raises NetflipsError for a model that is published but not fetched yet, and for one that has changed.
    """
    house = _stage_table()
    return None if house is None else house.named_model(name, flag)


@cache
def _stage_table() -> StageTable | None:
    try:
        return cast(StageTable, import_module(TABLE))
    except ModuleNotFoundError as error:
        if error.name not in (TABLE, TABLE.partition(".")[0]):
            raise
        return None
