"""Lip-sync backends: their names, options and needs, and how they are opened. This module is cheap to import.

A backend is a class here and an entry in `BACKENDS`; its network or mesh is loaded when it is opened. Options, help, checks of
files, the choice of `--lips auto`, the keys of finished work and the page's form come from it; no other module compares names,
but for `auto` and `none`.
"""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.errors import CheckpointError, Message, UsageError
from avcore.files import Input, require_file
from avcore.flags import flags_of
from avcore.programs import command_key, parse_command, takes
from unit2av.lipsync import LIPS_WITH

if TYPE_CHECKING:
    from unit2av.lipsync import LipSync
    from unit2av.lipsync.patches import Paste
    from unit2av.renderer import LipRenderer

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Option:
    """An option of a backend."""

    flag: str
    """as --wav2lip-path"""
    help: str
    """its line in --help"""
    file: str = ""
    """name of its file in messages; "": it takes none"""
    metavar: str = ""
    """what --help shows for a value that is no file; "" without a file: it is a switch"""
    kind: type = str
    """type of such a value"""
    is_command: bool = False
    """whether its value is a command line"""

    @property
    def name(self) -> str:
        """The attribute under which parsed options hold its value."""
        return self.flag.lstrip("-").replace("-", "_")

    def add_to(self, group: argparse._ActionsContainer) -> None:
        """Add it to a parser."""
        if self.file:
            group.add_argument(self.flag, type=Input(self.file), metavar="FILE", help=self.help)
        elif self.metavar:
            group.add_argument(self.flag, type=self.kind, metavar=self.metavar, help=self.help)
        else:
            group.add_argument(self.flag, action="store_true", default=None, help=self.help)


@dataclass(frozen=True)
class LipSyncChoice:
    """Which backend moves the lips, and its options."""

    name: str = AUTO
    """name of a backend, `auto`, or `none`: no lips are drawn"""
    values: Mapping[str, Any] = field(default_factory=dict)
    """values of the options of all backends, by `Option.name`; one that is absent was not given"""
    is_hard: bool = False
    """whether patches are pasted whole and without a soft edge"""

    @property
    def files(self) -> dict[str, Path]:
        """The files that were given, by their names in messages."""
        return {
            option.file: self.values[option.name]
            for option in _options()
            if option.file and self.values.get(option.name) is not None
        }

    @property
    def draws(self) -> bool:
        """Whether lips are drawn."""
        return self.name != NONE


@dataclass(frozen=True)
class Opening:
    """What a backend is opened with."""

    renderer: Path | None
    """checkpoint of the face renderer; None: there is none"""
    drawn_by: "Callable[[], LipRenderer]"
    """returns the face renderer, which is read once, however many videos are drawn"""
    device: str
    """as --device names it"""
    precision: str
    """as --precision names it"""
    batch_size: int
    """frames drawn together"""
    paste: "Paste"
    """puts a patch into a frame"""
    upper: float
    """share of a patch, from its top, that `paste` leaves out"""


class Backend(ABC):
    """What is known of a lip-sync backend before it is opened.

    name: its name for --lips. words: its description for --help. options: its own options. needs_units: whether it moves lips by
    units; otherwise by sound alone. uses_renderer: whether the face renderer draws them. has_patches: whether it draws patches,
    which can be pasted hard. around_s: seconds of frames before and after a piece that it needs to see.
    """

    name = ""
    words = ""
    options: tuple[Option, ...] = ()
    needs_units = True
    uses_renderer = False
    has_patches = True
    around_s = 0.0

    @abstractmethod
    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether `auto` may select it with the given files. renderer: checkpoint of the face renderer."""

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:  # noqa: B027  not all have files
        """Raise UsageError if a file that it needs was not given."""

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:  # noqa: B027  the same
        """Check its files before long work begins. vocabulary: of the units that will be spoken. Raises NetflipsError."""

    def weights(self, choice: LipSyncChoice, renderer: Path | None) -> Path | None:
        """Return the file whose licence holds for what it draws; None = it has none of its own beside the renderer."""
        return None

    def mouth_table(self, choice: LipSyncChoice, renderer: Path | None) -> Path | None:
        """Return the table of the mouths that it shows, by which a dub finds lips that stay open; None = it shows others."""
        return None

    @abstractmethod
    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the content that its frames depend on, for the keys of finished work. arithmetic: device and number format."""

    @abstractmethod
    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it for the length of a block. Raises UsageError, InputError or CheckpointError."""


def backends() -> tuple[Backend, ...]:
    """Return all backends, in the order of `auto`."""
    return tuple(BACKENDS)


def backend_of(choice: LipSyncChoice, renderer: Path | None) -> Backend:
    """Return the backend that a choice names, or the first that is ready. Its files are not read."""
    if choice.name != AUTO:
        return next(backend for backend in (*backends(), NO_LIPS) if backend.name == choice.name)
    # Hard pasting needs a patch, so `auto` passes over the mesh then. The face renderer is always ready, so there is one.
    return next(
        backend for backend in backends() if (backend.has_patches or not choice.is_hard) and backend.is_ready(choice, renderer)
    )


def resolve_backend(choice: LipSyncChoice, renderer: Path | None) -> Backend:
    """Return the backend of a choice, after a check that its files exist. renderer: the face renderer's checkpoint, None = none.

    Raises UsageError if it needs a file that was not given, InputError if a given file does not exist.
    """
    backend = backend_of(choice, renderer)
    backend.require_files(choice, renderer)
    for what, path in choice.files.items():
        require_file(path, what)
    return backend


def lip_sync_names(can_be_none: bool = False) -> tuple[str, ...]:
    """Return all values of `--lips`. can_be_none: whether lips may be left as they are."""
    return (AUTO, *(backend.name for backend in backends()), *([NONE] if can_be_none else []))


def ready_names(given: Mapping[str, str], renderer: Path | None) -> list[str]:
    """Return the values of `--lips` that work with some values. given: of backends' options, by flag. renderer: its checkpoint."""
    found = {option: given[option.flag] for option in value_options() if option.flag in given}
    choice = LipSyncChoice(
        values={option.name: Path(value) if option.file else option.kind(value) for option, value in found.items()}
    )
    return [AUTO, *(backend.name for backend in backends() if backend.is_ready(choice, renderer))]


def add_lip_sync_options(group: argparse._ActionsContainer, can_be_none: bool = False) -> None:
    """Add --lips and the options of all backends. can_be_none: whether lips may be left as they are."""
    names = ", ".join(f"{backend.name} ({backend.words})" for backend in (*backends(), *([NO_LIPS] if can_be_none else [])))
    order = ", else ".join(backend.name for backend in backends())

    group.add_argument(
        "--lips",
        choices=lip_sync_names(can_be_none),
        default=AUTO,
        help=f"lip-sync backend: {names}, or auto: the first of {order} that has its files (default: auto)",
    )

    for option in _options():
        option.add_to(group)


def lips_flag(group: str = "", can_be_none: bool = False) -> Any:
    """Return the field of a command's options for --lips and the options of all backends; from Python, a name will do.

    can_be_none: whether lips may be left as they are.
    """

    def read(given: LipSyncChoice | str) -> LipSyncChoice:
        choice = LipSyncChoice(given) if isinstance(given, str) else given
        if choice.name not in (names := lip_sync_names(can_be_none)):
            what = "unknown lip-sync backend" if choice.draws else "--lips none belongs to dub"
            raise UsageError(what, expected=", ".join(names), found=choice.name)
        others = [option.flag for option in _options() if choice.values.get(option.name)]
        if others and not choice.draws:
            raise UsageError("--lips none draws no lips", found=others[0], hint="leave one of them out")
        return choice

    return flags_of(partial(add_lip_sync_options, can_be_none=can_be_none), lip_sync_choice, LipSyncChoice, group, read)


def lip_sync_choice(options: argparse.Namespace, is_hard: bool = False) -> LipSyncChoice:
    """Return the choice of parsed options."""
    given = {option.name: getattr(options, option.name) for option in _options()}
    return LipSyncChoice(options.lips, {name: value for name, value in given.items() if value is not None}, is_hard)


def value_options() -> tuple[Option, ...]:
    """Return the options of all backends that take a file or another value."""
    return tuple(option for option in _options() if option.file or option.metavar)


def _options() -> list[Option]:
    return [option for backend in backends() for option in backend.options]


TABLE_FILE = "mouth.npz"
"""Name of the mouth's table beside a renderer, and in a bundle."""


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

    def weights(self, choice: LipSyncChoice, renderer: Path | None) -> Path | None:
        """Return the table."""
        return table_of(choice, renderer)

    def mouth_table(self, choice: LipSyncChoice, renderer: Path | None) -> Path | None:
        """Return the table."""
        return table_of(choice, renderer)

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

        lip_sync = MeshLipSync(MouthTable.load(_require_table(choice, opening.renderer)))
        try:
            yield lip_sync
        finally:
            lip_sync.close()


def table_of(choice: LipSyncChoice, renderer: Path | None) -> Path | None:
    """Return the mouth's table that was given, else the one beside the renderer; None = there is none."""
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
    uses_renderer = True

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return True: it is the last choice of `auto`."""
        return True

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the renderer's content and settings."""
        from avcore.journal import file_digest

        return [file_digest(str(renderer)), arithmetic, choice.is_hard]

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it with the renderer."""
        from unit2av.lipsync.patches import UnitLipSync

        if opening.renderer is None:
            raise UsageError("--lips units needs a renderer", hint="give --unit2av-path")
        return nullcontext(UnitLipSync(opening.drawn_by(), opening.paste, opening.batch_size, opening.upper))


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

    def weights(self, choice: LipSyncChoice, renderer: Path | None) -> Path | None:
        """Return the checkpoint."""
        return choice.values.get("wav2lip_path")

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:
        """Raise UsageError without a checkpoint."""
        if not self.is_ready(choice, renderer):
            raise UsageError("--lips wav2lip needs its checkpoint", hint="give --wav2lip-path wav2lip.pth")

    def check(self, choice: LipSyncChoice, renderer: Path | None, vocabulary: str) -> None:
        """Raise CheckpointError for another file."""
        from unit2av.lipsync.patches import load_wav2lip

        load_wav2lip(choice.values["wav2lip_path"])

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the checkpoint's content and settings."""
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


class NoLips(Backend):
    """Draws nothing: for a dub of the sound alone. See `Backend`."""

    name = NONE
    words = "none are drawn, frames stay as they are"
    needs_units = has_patches = False

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return False: it must be asked for by name."""
        return False

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return nothing: frames do not depend on it."""
        return []

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Return what leaves all frames as they are."""
        from unit2av.lipsync import StillLips

        return nullcontext(StillLips())


NO_LIPS = NoLips()


LIPS_SIZE = "--lips-size"
_SIZE, _SIZES, _BLOCK = 512, (64, 1024), 16
"""Side of a program's clip in pixels: the usual one, the smallest and the largest, and of what it is a multiple, for codecs."""


class ProgramBackend(Backend):
    """See `Backend`."""

    name = "program"
    words = "your own, from the sound"
    options = (
        Option(
            LIPS_WITH,
            "for program: what draws the lips in a clip of one face. With {video}, {audio}, and {out} or {dir}, it runs once for "
            "each clip ({mask}, {box}, {size}); without them it is started once and answers lines of JSON",
            metavar="COMMAND",
            is_command=True,
        ),
        Option(LIPS_SIZE, f"for program: side of the clip, a multiple of {_BLOCK} (default: {_SIZE})", metavar="PIXELS", kind=int),
    )
    needs_units = False
    around_s = 0.4

    def is_ready(self, choice: LipSyncChoice, renderer: Path | None) -> bool:
        """Return whether a program was given."""
        return "lips_with" in choice.values

    def require_files(self, choice: LipSyncChoice, renderer: Path | None) -> None:
        """Raise UsageError without a program, for one that says not what it reads or where it writes, and for a size."""
        if not self.is_ready(choice, renderer):
            raise UsageError("--lips program needs your program", hint=f"give {LIPS_WITH} COMMAND")

        words, size = self._words(choice), self._size(choice)
        given = [takes(words, "video"), takes(words, "audio"), takes(words, "out", "dir")]
        if (any(given) or takes(words, "mask", "box", "size")) and not all(given):
            raise UsageError(
                f"{LIPS_WITH} says not all that is read and written",
                expected='{video}, {audio}, and {out} or {dir}, as "python lips.py {video} {audio} {out}"',
                found=" ".join(words),
                hint="a program that answers lines gets all of them in each line, and has none in its command",
            )
        if not (_SIZES[0] <= size <= _SIZES[1] and size % _BLOCK == 0):
            expected = f"a multiple of {_BLOCK} from {_SIZES[0]} to {_SIZES[1]}"
            raise UsageError(Message("{name} cannot be used", name=LIPS_SIZE), expected=expected, found=size)

    def key(self, choice: LipSyncChoice, renderer: Path | None, arithmetic: object) -> list[object]:
        """Return the command, with the content of files that it names, and the settings."""
        return [command_key(self._words(choice)), self._size(choice), choice.is_hard]

    def open(self, choice: LipSyncChoice, opening: Opening) -> "AbstractContextManager[LipSync]":
        """Open it; a program that answers lines is ended at the end of the block."""
        from unit2av.lipsync.program import ProgramLipSync

        return closing(ProgramLipSync(self._words(choice), self._size(choice), opening.paste))

    @staticmethod
    def _words(choice: LipSyncChoice) -> tuple[str, ...]:
        return parse_command(choice.values["lips_with"], LIPS_WITH)

    @staticmethod
    def _size(choice: LipSyncChoice) -> int:
        return int(choice.values.get("lips_size", _SIZE))


BACKENDS: list[Backend] = [ProgramBackend(), Wav2LipBackend(), MeshBackend(), UnitBackend()]
"""`auto` takes the first that is ready."""
