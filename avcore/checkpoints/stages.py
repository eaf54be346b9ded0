"""What a stage of models is to the rest of the house: its kind of checkpoint, the file that holds one, how it is known and loaded.

A stage package exports `STAGE` from its module `stage`, one of these or a tuple of them; the module is imported by every command,
so it imports nothing heavy before it is asked to.

The ground floor names no room above it. Which module lists the stages and has the bundle of this installation is an entry point of
the project (`[project.entry-points]` in pyproject.toml). In a checkout that file itself is read, because the metadata of an
editable installation are as old as the installation. It is looked up where it is needed only: when a file is none of what was
asked for, and for the default models.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, cast, get_args

if TYPE_CHECKING:
    from avcore.checkpoints.layouts import CheckpointLayout


Precision = Literal["float32", "bfloat16", "float16", "auto"]
"""A number format, as options name it."""
PRECISIONS: tuple[str, ...] = get_args(Precision)
"""To compute in."""
STORED_PRECISIONS = ("keep", "float32", "float16", "bfloat16", "int8")
"""To store weights in; `keep` leaves each as it is."""
Model = TypeVar("Model", covariant=True)
Place = Literal["needed", "optional", "no"]
"""Whether a bundle holds a model of a stage."""

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


def _own_layout() -> "CheckpointLayout":
    from avcore.checkpoints.layouts import CheckpointLayout

    return CheckpointLayout()


@dataclass(frozen=True, eq=False)
class Stage(Generic[Model]):
    """One kind of model.

    kind: what its checkpoints call themselves, and what messages call them. file: of a bundle; its stem names the model in
    options. recognises: whether names of tensors are those of such a model. load: reads the model of a checkpoint. name: in reports
    and in keys of kept work. flag: the option that takes a checkpoint; example: a file that it takes. needed: settings without
    which a configuration is incomplete. place: whether a bundle holds one. by_language: a bundle may hold one for each language,
    in files such as `stem.ko.safetensors`. layout: how its files are read and written where they are not simply our own. random:
    of a size (`tiny` or `published`) and a seed, what makes files in a published layout that know nothing, by name.
    """

    kind: str
    file: str
    recognises: Callable[[Collection[str]], bool]
    load: Callable[[Path, Running], Model]
    name: str
    flag: str
    example: str
    needed: tuple[str, ...] = ()
    place: Place = "optional"
    by_language: bool = False
    layout: Callable[[], "CheckpointLayout"] = _own_layout
    random: Callable[[str, int], Mapping[str, Callable[[], dict[str, Any]]]] | None = None

    @property
    def part(self) -> str:
        """Its name among the models of a bundle, as options write it: `unit-encoder`."""
        return Path(self.file).stem.replace("_", "-")

    @property
    def option(self) -> str:
        """The attribute under which parsed options hold the value of its flag: `av2unit_path`."""
        return self.flag.lstrip("-").replace("-", "_")

    def part_for(self, language: str = "") -> str:
        """The same of the model of a language, "" = of all of them: `speller.ko`."""
        return f"{self.part}.{language}" if language else self.part

    def file_for(self, language: str = "") -> str:
        """The name of a model's file in a bundle. language: whose model it is, "" = for all of them."""
        return f"{Path(self.file).stem}.{language}{SUFFIX}" if language else self.file

    def language_of(self, file: str) -> str | None:
        """The language of a file of a bundle, "" = all of them; None for a file that is none of this stage."""
        if file == self.file:
            return ""
        language = file.removeprefix(f"{Path(self.file).stem}.").removesuffix(SUFFIX)
        return language if self.by_language and language.isalpha() and file == self.file_for(language) else None


def stages_of(package: str) -> tuple[Stage[Any], ...]:
    """The stages that a package exports."""
    exported: Stage[Any] | tuple[Stage[Any], ...] = import_module(f"{package}.stage").STAGE
    return exported if isinstance(exported, tuple) else (exported,)


class House(Protocol):
    """The module that lists what is installed. SHIPPED: the folder of the bundle that comes with it, whether or not it is there."""

    STAGES: tuple[Stage[Any], ...]
    SHIPPED: Path


def stages() -> tuple[Stage[Any], ...]:
    """All stages that are installed; none where the ground floor stands alone."""
    house = _house()
    return () if house is None else house.STAGES


def shipped_bundle() -> Path | None:
    """The folder of the models that come with the installation; None where none do."""
    house = _house()
    return None if house is None else house.SHIPPED


@cache
def _house() -> House | None:
    root = Path(__file__).resolve().parents[2]
    module = _in_checkout(root / "pyproject.toml") or _in_metadata()
    return None if module is None else cast(House, import_module(module))


def _in_checkout(path: Path) -> str | None:
    """What pyproject.toml beside the packages says; None where it is not there, or another project's."""
    import tomllib

    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        return str(project["entry-points"][GROUP][NAME]) if project["name"] == PROJECT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_metadata() -> str | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(PROJECT).entry_points.select(group=GROUP, name=NAME)
    except PackageNotFoundError:
        return None
    return next((one.value for one in found), None)
