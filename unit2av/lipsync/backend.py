"""Lip-sync backends: what each is called, which options it has, what it needs, and how it is opened; cheap to import.

A backend is a module `backend` that exports `BACKEND`, and a line in `BACKENDS`. Options, help, checks of files, the choice of
`--lips auto`, the keys of kept work and the page's form come from there; nobody outside compares names.
"""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.errors import UsageError
from avcore.files import require_file
from avcore.flags import flags_of
from avcore.outputs import Input
from avcore.usage import add_option

if TYPE_CHECKING:
    from unit2av.face.talking import Paste
    from unit2av.lipsync.lip_sync import LipSync
    from unit2av.renderer import LipRenderer

AUTO = "auto"
BACKENDS = ["unit2av.lipsync.wav2lip.backend", "unit2av.lipsync.mesh.backend", "unit2av.lipsync.units.backend"]
"""Modules with a `BACKEND`, in the order in which `auto` takes the first that is ready."""


@dataclass(frozen=True)
class Option:
    """An option of a backend. file: what messages call the file that it takes; "" = it is a switch."""

    flag: str
    help: str
    file: str = ""

    @property
    def name(self) -> str:
        """The attribute under which parsed options hold its value."""
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class LipSyncChoice:
    """Which backend moves the lips, and its options.

    name: of a backend, or `auto`. values: of the options of all backends, by `Option.name`; one that is absent was not given.
    is_hard: patches are pasted whole and without a soft edge.
    """

    name: str = AUTO
    values: Mapping[str, Any] = field(default_factory=dict)
    is_hard: bool = False

    @property
    def files(self) -> dict[str, Path]:
        """The files that were given, by what messages call them."""
        return {one.file: self.values[one.name] for one in _options() if one.file and self.values.get(one.name) is not None}


@dataclass(frozen=True)
class Opening:
    """What a backend is opened with.

    renderer: checkpoint of the face renderer, None = there is none; drawn_by: it, where it is loaded already. device, precision:
    as flags name them. batch_size: pictures drawn together. paste: how patches are put into pictures; upper: the share of a
    patch, from its top, that `paste` leaves out.
    """

    renderer: Path | None
    drawn_by: "LipRenderer | None"
    device: str
    precision: str
    batch_size: int
    paste: "Paste"
    upper: float


class Backend(ABC):
    """What is known of a lip-sync backend before it is opened.

    name: as --lips has it. words: what it is, for --help. options: its own. needs_units: whether it moves lips by units, else by
    sound alone. has_patches: whether it draws patches, which can be pasted hard. around_s: seconds of pictures before and after a
    piece that it wants to see.
    """

    name = ""
    words = ""
    options: tuple[Option, ...] = ()
    needs_units = True
    has_patches = True
    around_s = 0.0

    @abstractmethod
    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether `auto` may take it with the files that there are. renderer: checkpoint of the face renderer."""

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:  # noqa: B027  not all have files
        """Raise UsageError where it lacks a file."""

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:  # noqa: B027  the same
        """Read its files before long work begins. vocabulary: of the units that will be said. Raises NetflipsError."""

    @abstractmethod
    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return what its pictures depend on, by content, for the names of kept work. arithmetic: device and number format."""

    @abstractmethod
    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it for the length of a block. Raises UsageError, InputError or CheckpointError."""


def backends() -> tuple[Backend, ...]:
    """Return the backends of this installation, in the order of `auto`."""
    return tuple(import_module(name).BACKEND for name in BACKENDS)


def backend_of(choice: LipSyncChoice, renderer: Path | None) -> Backend:
    """Return the backend that a choice names, or the first that is ready; its files are not looked at. Raises UsageError."""
    if choice.name != AUTO:
        found = next((one for one in backends() if one.name == choice.name), None)
        if found is None:
            raise UsageError("there is no such mouth", expected=", ".join(lip_sync_names()), found=choice.name)
        return found
    return next(one for one in backends() if (one.has_patches or not choice.is_hard) and one.is_ready(choice, renderer))


def settled(choice: LipSyncChoice, renderer: Path | None) -> Backend:
    """Return the backend that a choice stands for. renderer: checkpoint of the face renderer, None = there is none.

    Raises UsageError where it lacks its file, InputError where a file that was given is not there.
    """
    backend = backend_of(choice, renderer)
    backend.require_files(choice, renderer)
    for what, path in choice.files.items():
        require_file(path, what)
    return backend


def lip_sync_names() -> tuple[str, ...]:
    """Return what `--lips` may be."""
    return (AUTO, *(one.name for one in backends()))


def ready_names(files: Mapping[str, str], renderer: Path | None) -> list[str]:
    """Return what `--lips` may be with the files that there are. files: those of backends, by flag; renderer: its checkpoint."""
    choice = LipSyncChoice(values={one.name: Path(files[one.flag]) for one in file_options() if one.flag in files})
    return [AUTO, *(one.name for one in backends() if one.is_ready(choice, renderer))]


def add_lip_sync_options(group: argparse._ActionsContainer) -> None:
    """Add --lips and the options of all backends."""
    told = ", ".join(f"{one.name} ({one.words})" for one in backends())
    order = ", else ".join(one.name for one in backends())
    add_option(
        group,
        "--lips",
        hidden=("--mouth",),
        dest="mouth",
        choices=lip_sync_names(),
        default=AUTO,
        help=f"lip-sync backend: {told}, or auto: the first of {order} that has its files (default: auto)",
    )
    for one in _options():
        if one.file:
            group.add_argument(one.flag, type=Input(one.file), metavar="FILE", help=one.help)
        else:
            group.add_argument(one.flag, action="store_true", help=one.help)


def lips_flag(group: str = "") -> Any:
    """Return the field of a command's options for --lips and the options of all backends; a name may be given in Python."""
    return flags_of(add_lip_sync_options, lip_sync_choice, LipSyncChoice, group, _named)


def _named(choice: LipSyncChoice | str) -> LipSyncChoice:
    return LipSyncChoice(choice) if isinstance(choice, str) else choice


def lip_sync_choice(options: argparse.Namespace, is_hard: bool = False) -> LipSyncChoice:
    """Return what the options ask for."""
    given = {one.name: getattr(options, one.name) for one in _options()}
    return LipSyncChoice(options.mouth, {name: value for name, value in given.items() if value is not None}, is_hard)


def file_options() -> tuple[Option, ...]:
    """Return the options of all backends that take a file."""
    return tuple(one for one in _options() if one.file)


def _options() -> list[Option]:
    return [option for one in backends() for option in one.options]
