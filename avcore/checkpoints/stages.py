"""Kinds of checkpoints: the file that holds one, how it is recognised, its layout, and its content once it is read.

A stage package exports `STAGE` from its module `stage`, one kind of checkpoint or a tuple of them; every command imports that
module, so it imports nothing heavy. Who loads a model is another matter: the installation has a table of loaders.

avcore names no package above it. The module that lists the kinds, their loaders and the bundle of this installation is an entry
point of the project (`[project.entry-points]` in pyproject.toml). It is looked up only where it is needed: when a file is of
another kind than the one that was asked for, and for the default models.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast, get_args

from avcore.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


Precision = Literal["float32", "bfloat16", "float16", "auto"]
"""A number format, as options name it."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
"""To compute in."""
STORED_PRECISIONS = ("keep", "float32", "float16", "bfloat16", "int8")
"""To store weights in; `keep` leaves each as it is."""
Place = Literal["needed", "optional", "no"]
"""Whether a bundle holds a model of a stage."""

Recognises = Callable[[Collection[str]], bool]

SUFFIX = ".safetensors"
PROJECT, GROUP, NAME = "netflips", "netflips.house", "stages"
"""Of the project, and of the entry point in it."""


@dataclass(frozen=True)
class Running:
    """How a model is to run. device, precision: as the flags name them. source, target: the languages of the work.

    unit_offset: the model counts units from there; None = as its checkpoint says.
    """

    device: str = "cpu"
    precision: str = "float32"
    source: str = "en"
    target: str = "ko"
    unit_offset: int | None = None


class Near(NamedTuple):
    """A file that a stage knows but cannot take: words for what it is, and what to do."""

    words: str
    hint: str


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint's configuration (plain JSON values) and tensors (on the CPU, mapped from the file).

    updates: of its training, None = the file does not say.
    """

    path: Path
    stage: "Stage"
    config: dict[str, Any]
    tensors: "dict[str, Tensor]"
    fingerprint: str
    updates: int | None = None

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return self.stage.kind

    def section(self, prefix: str) -> "dict[str, Tensor]":
        """Return the tensors below `prefix.`, with the prefix removed, in their own shapes and without a copy."""
        start = f"{prefix}."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


class CheckpointLayout:
    """The files of a stage that are in our own format alone; a stage with others overrides what is different.

    recognises: whether names of tensors are those of such a model.
    """

    def __init__(self, recognises: Recognises) -> None:
        self.recognises = recognises

    def identify(self, payload: Mapping[Any, Any], path: Path) -> bool | Near:
        """Return whether the content of a .pt file is this stage's. Raises CheckpointError when its settings cannot be read."""
        return False

    def extract(self, payload: Mapping[str, Any], path: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
        """Return the configuration and the tensors by name, in stored shapes, of what `identify` took. Raises CheckpointError."""
        raise CheckpointError("models of this kind are in our own format only", path=path, expected=f"a {SUFFIX} file")

    def whole(self, tensors: "Mapping[str, Tensor]", path: Path) -> "dict[str, Tensor]":
        """Return the tensors of our own file under all of their names. Raises CheckpointError when some do not go together."""
        return dict(tensors)

    def stored(self, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return what of `whole` our own file holds."""
        return dict(tensors)

    def languages(self, checkpoint: Checkpoint) -> list[str]:
        """Return the two-letter names of the languages that a checkpoint is for; none where it says nothing."""
        stated = checkpoint.config.get("languages") or checkpoint.config.get("language") or []
        return [stated] if isinstance(stated, str) else [str(one) for one in stated] if isinstance(stated, list) else []

    def updates(self, checkpoint: Checkpoint) -> int | dict[str, int] | None:
        """Return the updates of its training, by part where several were trained; None where the file states none."""
        trained = checkpoint.config.get("trained")
        stated = trained.get("steps") if isinstance(trained, Mapping) else None
        return checkpoint.updates or stated

    def vocabularies(self, checkpoint: Checkpoint, language: str | None = None) -> dict[str, str]:
        """Return the fingerprints of its units' quantizers by the part of the file ("" = all of it); a fingerprint "" = not stated.

        language: that a bundle is for, None = none. Raises LanguageError or CheckpointError where it has nothing for that.
        """
        return {"": str(checkpoint.config.get("vocabulary") or "")}


@dataclass(frozen=True, eq=False)
class Stage:
    """One kind of model.

    kind: what its checkpoints call themselves, and what messages call them. file: of a bundle; its stem names the model in
    options. recognises: whether names of tensors are those of such a model. name: in reports and in keys of kept work. flag: the
    option that takes a checkpoint; example: a file that it takes. needed: settings without which a configuration is incomplete.
    place: whether a bundle holds one. by_language: a bundle may hold one for each language, in files such as
    `stem.ko.safetensors`. make_layout: makes the layout, where its files are not simply our own. random: of a size (`tiny` or
    `published`) and a seed, what makes files in a published layout that know nothing, by name.
    """

    kind: str
    file: str
    recognises: Recognises
    name: str
    flag: str
    example: str
    needed: tuple[str, ...] = ()
    place: Place = "optional"
    by_language: bool = False
    make_layout: Callable[[Recognises], CheckpointLayout] = CheckpointLayout
    random: Callable[[str, int], Mapping[str, Callable[[], dict[str, Any]]]] | None = None

    @cached_property
    def layout(self) -> CheckpointLayout:
        """How its files are read and written."""
        return self.make_layout(self.recognises)

    @property
    def part(self) -> str:
        """Its name among the models of a bundle, as options write it: `unit-encoder`."""
        return Path(self.file).stem.replace("_", "-")

    @property
    def option(self) -> str:
        """The attribute under which parsed options hold the value of its flag: `av2unit_path`."""
        return self.flag.lstrip("-").replace("-", "_")

    def part_for(self, language: str = "") -> str:
        """Return the same for the model of a language, "" = of all of them: `text-to-unit.ko`."""
        return f"{self.part}.{language}" if language else self.part

    def file_for(self, language: str = "") -> str:
        """Return the name of a model's file in a bundle. language: whose model it is, "" = for all of them."""
        return f"{Path(self.file).stem}.{language}{SUFFIX}" if language else self.file

    def language_of(self, file: str) -> str | None:
        """Return the language of a file of a bundle, "" = all of them; None for a file that is none of this stage."""
        if file == self.file:
            return ""
        language = file.removeprefix(f"{Path(self.file).stem}.").removesuffix(SUFFIX)
        return language if self.by_language and language.isalpha() and file == self.file_for(language) else None


def stages_of(package: str) -> tuple[Stage, ...]:
    """Return the stages that a package exports."""
    exported: Stage | tuple[Stage, ...] = import_module(f"{package}.stage").STAGE
    return exported if isinstance(exported, tuple) else (exported,)


class StageTable(Protocol):
    """The module that lists what is installed.

    STAGES: the kinds of checkpoint. SHIPPED: the folder of the bundle that comes with it, whether or not it is there.
    """

    STAGES: tuple[Stage, ...]
    SHIPPED: Path

    def load(self, stage: Stage, path: Path, how: Running) -> Any:
        """Load the model of a checkpoint of that kind."""

    def named_model(self, name: str, flag: str) -> Path | None:
        """Find a model that the user fetched by its name; None where none is called so, or the flag takes no model."""


def stages() -> tuple[Stage, ...]:
    """Return all kinds that are installed; none where avcore stands alone."""
    house = _stage_table()
    return () if house is None else house.STAGES


def shipped_bundle() -> Path | None:
    """Return the folder of the models that come with the installation; None where none do."""
    house = _stage_table()
    return None if house is None else house.SHIPPED


def load_installed(stage: Stage, path: Path, how: Running) -> Any:
    """Load the model of a checkpoint by the installation's table of loaders. Raises LookupError where avcore stands alone."""
    house = _stage_table()
    if house is None:
        raise LookupError(f"no package of this installation loads a {stage.kind}")
    return house.load(stage, path, how)


def named_model(name: str, flag: str) -> Path | None:
    """Find a model that the user fetched by its name; None where none is called so, or the flag takes none, or avcore stands alone.

    Raises NetflipsError for a model that is published but not here, and one that has changed.
    """
    house = _stage_table()
    return None if house is None else house.named_model(name, flag)


@cache
def _stage_table() -> StageTable | None:
    try:
        found = distribution(PROJECT).entry_points.select(group=GROUP, name=NAME)
    except PackageNotFoundError:
        return None
    return next((cast(StageTable, import_module(one.value)) for one in found), None)
