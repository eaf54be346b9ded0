"""Lip-sync backends: what each is called, which options it has, what it needs, and how it is opened; cheap to import.

A backend is a class here and its place in `BACKENDS`; its network or mesh is loaded when it is opened. Options, help, checks of
files, the choice of `--lips auto`, the keys of kept work and the page's form come from there; nobody outside compares names.
"""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.errors import CheckpointError, UsageError
from avcore.files import Input, require_file
from avcore.flags import flags_of

if TYPE_CHECKING:
    from unit2av.lipsync import LipSync
    from unit2av.lipsync.patches import Paste
    from unit2av.renderer import LipRenderer

AUTO = "auto"


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
    return tuple(BACKENDS)


def backend_of(choice: LipSyncChoice, renderer: Path | None) -> Backend:
    """Return the backend that a choice names, or the first that is ready; its files are not looked at. Raises UsageError."""
    if choice.name != AUTO:
        found = next((one for one in backends() if one.name == choice.name), None)
        if found is None:
            raise UsageError("there is no such mouth", expected=", ".join(lip_sync_names()), found=choice.name)
        return found
    return next(one for one in backends() if (one.has_patches or not choice.is_hard) and one.is_ready(choice, renderer))


def resolve_backend(choice: LipSyncChoice, renderer: Path | None) -> Backend:
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
    group.add_argument(
        "--lips",
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
    return LipSyncChoice(options.lips, {name: value for name, value in given.items() if value is not None}, is_hard)


def file_options() -> tuple[Option, ...]:
    """Return the options of all backends that take a file."""
    return tuple(one for one in _options() if one.file)


def _options() -> list[Option]:
    return [option for one in backends() for option in one.options]


TABLE_FILE = "mouth.npz"
"""Its name beside a renderer, and in a bundle."""


class MeshBackend(Backend):
    """See `Backend`."""

    name = "mesh"
    words = "the person's own pixels, at full resolution"
    options = (
        Option("--mouth-table", "for mesh: a table of unit2av.train_mouth (default: beside the renderer)", "the mouth's table"),
    )
    has_patches = False
    around_s = 1.0

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether a table was given or lies beside the renderer."""
        return table_of(choice, renderer) is not None

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:
        """Raise UsageError without a table."""
        if table_of(choice, renderer) is None:
            hint = "give --mouth-table, or learn one with python -m unit2av.train_mouth"
            raise UsageError("--lips mesh needs a table for the units", expected=f"{TABLE_FILE} beside the renderer", hint=hint)

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:
        """Raise VocabularyError for a table of other units."""
        from avcore.units import require_same_vocabulary
        from unit2av.lipsync.mesh.table import MouthTable

        require_same_vocabulary(vocabulary, MouthTable.load(_require_table(choice, renderer)).vocabulary, "the mouth's table")

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the table's content."""
        from avcore.journal import file_digest

        return [file_digest(str(_require_table(choice, renderer)))]

    @contextmanager
    def open(self, choice: LipSyncChoice, opening: Opening) -> "Iterator[LipSync]":
        """Open it with its table."""
        from unit2av.lipsync.mesh.lip_sync import MeshLipSync
        from unit2av.lipsync.mesh.table import MouthTable

        mouth = MeshLipSync(MouthTable.load(_require_table(choice, opening.renderer)))
        try:
            yield mouth
        finally:
            mouth.close()


def table_of(choice: LipSyncChoice, renderer: Path | None) -> Path | None:
    """Return the table that was given, else the one beside the renderer; None = there is none."""
    given: Path | None = choice.values.get("mouth_table")
    return given or (None if renderer is None else find_table(renderer))


def find_table(renderer: Path) -> Path | None:
    """Return the table beside a renderer's checkpoint; None = there is none."""
    path = renderer.parent / TABLE_FILE
    return path if path.is_file() else None


def _require_table(choice: LipSyncChoice, renderer: Path | None) -> Path:
    table = table_of(choice, renderer)
    if table is None:
        raise CheckpointError("the mouth's table is gone", path=renderer)
    return table


class UnitBackend(Backend):
    """See `Backend`."""

    name = "units"
    words = "the face renderer"

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Always: it is what is left where no other backend has its files."""
        return True

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the renderer's content, and how it is used."""
        from avcore.journal import file_digest

        return [file_digest(str(renderer)), arithmetic, choice.is_hard]

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it, over a renderer that is loaded already where there is one."""
        from unit2av.lipsync.patches import UnitLipSync
        from unit2av.renderer import LipRenderer

        if opening.drawn_by is None and opening.renderer is None:
            raise UsageError("--lips units needs a renderer", hint="give --unit2av-path")
        drawn_by = opening.drawn_by or LipRenderer.from_checkpoint(Path(str(opening.renderer)), opening.device, opening.precision)
        return nullcontext(UnitLipSync(drawn_by, opening.paste, opening.batch_size, opening.upper))


class Wav2LipBackend(Backend):
    """See `Backend`."""

    name = "wav2lip"
    words = "its network, from the sound"
    options = (
        Option("--wav2lip-path", "for wav2lip: wav2lip.pth or wav2lip_gan.pth", "the Wav2Lip checkpoint"),
        Option(
            "--published-timing", "for wav2lip: lips 40 ms early, as in its published program (default: as the network was trained)"
        ),
    )
    needs_units = False

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether its checkpoint was given."""
        return "wav2lip_path" in choice.values

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:
        """Raise UsageError without a checkpoint."""
        if not self.is_ready(choice, renderer):
            raise UsageError("--lips wav2lip needs its checkpoint", hint="give --wav2lip-path wav2lip.pth")

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:
        """Raise CheckpointError for another file."""
        from unit2av.lipsync.patches import load_wav2lip

        load_wav2lip(choice.values["wav2lip_path"])

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the checkpoint's content, and how it is used."""
        from avcore.journal import file_digest

        return [file_digest(str(choice.values["wav2lip_path"])), self._is_published(choice), arithmetic, choice.is_hard]

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it with its checkpoint."""
        from unit2av.lipsync.patches import SoundLipSync

        path, how = choice.values["wav2lip_path"], (opening.device, opening.precision, opening.paste, opening.batch_size)
        return nullcontext(SoundLipSync.from_checkpoint(path, *how, self._is_published(choice), opening.upper))

    @staticmethod
    def _is_published(choice: LipSyncChoice) -> bool:
        return bool(choice.values.get("published_timing"))


BACKENDS: list[Backend] = [Wav2LipBackend(), MeshBackend(), UnitBackend()]
"""In the order in which `auto` takes the first that is ready."""
