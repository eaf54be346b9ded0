"""Folders that CTranslate2's converters write: what model is in one, before its engine is loaded. Nothing is ever downloaded.

A folder may come from a stranger, so it is tried once in a process of its own: if the engine crashes there, this process reports
one line.
"""

import ctypes
import logging
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from avcore.errors import InputError, Message, NetflipsError, UsageError, is_no_memory, pip_line, reason
from avcore.files import require_file
from avcore.journal import file_digest, key_of
from avcore.programs import apart
from avcore.texts import read_json, read_text
from avcore.units import fingerprint

LOG = logging.getLogger("netflips")

MODEL_FILE = "model.bin"
_CUBLAS = "libcublas.so.12"
WHISPER, SEQUENCE_TO_SEQUENCE = "WhisperSpec", "TransformerSpec"
_LONGEST_NAME = 64
_KINDS = {WHISPER: "a Whisper", SEQUENCE_TO_SEQUENCE: "a text translator", "TransformerDecoderSpec": "a language model"}
_AGAIN = "get the folder again"
_BLOCK = 1 << 24
_EXPONENTS = {0: ("<u4", 0x7F800000), 4: ("<u2", 0x7C00), 5: ("<u2", 0x7F80)}
"""By kind of floating weight: the integers as which it is read, and the bits that are all set in an infinity or a NaN."""
_FIRST_WITH_SIZES, _MOST_WEIGHTS, _MOST_AXES = 4, 100_000, 8
"""First version of the file that states the bytes of each weight; more weights and axes than any model has."""
Trial = Callable[[Path, Mapping[str, Any]], None]
"""Opens a folder with the engine's settings and uses it; raises whatever the engine raises. A function of a module."""
_ENGINES = ("ctranslate2", "faster-whisper", "tokenizers", "sentencepiece")
_LONGEST_S = 900.0
_LEAST_BYTES, _TIMES = 8 << 30, 6
"""Memory that a trial may take on a CPU: 8 GiB, or six times the weights if that is more."""
_PLACE = "netflips", "tried"


class Weight(NamedTuple):
    """A weight in the file."""

    shape: tuple[int, ...]
    """its axes"""
    kind: int
    """0 float32, 1 int8, 2 int16, 3 int32, 4 float16, 5 bfloat16"""
    place: int
    """offset of its first byte"""
    size: int
    """bytes"""


def require_engine_folder(folder: str | Path, spec: str, what: str, needed: Sequence[str], hint: str) -> Path:
    """Return a folder if it holds a CTranslate2 model of a kind and the files that go with it.

    spec: WHISPER or SEQUENCE_TO_SEQUENCE. what: its name in messages. needed: files that go with it, `a|b` = either. hint: what to
    do about an error. Raises InputError for any other folder, in one line that says what is there.
    """
    folder = Path(folder)
    wanted = f"a folder that CTranslate2 wrote, with {MODEL_FILE} of {_KINDS[spec]}"
    if folder.is_file():
        raise InputError(Message("{what} must be a folder", what=what), path=folder, expected=wanted, found="a file", hint=hint)
    if not folder.is_dir():
        raise InputError(
            Message("{what} is not there", what=what), path=folder, expected=wanted, hint=f"nothing is downloaded; {hint}"
        )
    if not (folder / MODEL_FILE).is_file():
        raise InputError(
            Message("{name} cannot be used", name=what), path=folder, expected=wanted, found=_other_weights(folder), hint=hint
        )

    found = spec_of(folder)
    if found != spec:
        raise InputError(f"{what} is no such model", path=folder, expected=_KINDS[spec], found=_KINDS.get(found, found), hint=hint)
    for choice in needed:
        if not any((folder / name).is_file() for name in choice.split("|")):
            raise InputError(f"{what} is not complete", path=folder, expected=choice.replace("|", " or "), found="no such file")
    weights_of(folder, what)
    return folder


def spec_of(folder: Path) -> str:
    """Return the kind of model that the header of a folder's weights names. Raises InputError if CTranslate2 did not write them."""
    path = require_file(folder / MODEL_FILE, "the model")
    with path.open("rb") as file:
        return _read_head(file, path)[1]


def weights_of(folder: Path, what: str = "the model") -> dict[str, Weight]:
    """Return the weights of a folder by name, with their places in the file; empty for files of old versions, which do not state
    them.

    what: name of the model in messages. Raises InputError for a file that is longer or shorter than it states, or is damaged.
    """
    path = folder / MODEL_FILE
    end, found = path.stat().st_size, dict[str, Weight]()

    with path.open("rb") as file:
        if _read_head(file, path)[0] < _FIRST_WITH_SIZES:
            return {}
        try:
            _, count = _take(file, "II")
            # Bounded, since a damaged file may state any number.
            for _ in range(min(count, _MOST_WEIGHTS)):
                name = _take_name(file)
                (axes,) = _take(file, "B")
                shape, (kind, size) = _take(file, f"{min(axes, _MOST_AXES)}I"), _take(file, "BI")
                found[name] = Weight(shape, kind, file.tell(), size)
                file.seek(size, 1)
            (aliases,) = _take(file, "I")
            for _ in range(2 * min(aliases, _MOST_WEIGHTS)):
                _take_name(file)
            whole = file.tell()
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            length = f"a file that is cut short or damaged, {end:,} bytes"
            raise InputError(Message("{what} cannot be read", what=what), path=path, found=length, hint=_AGAIN) from error

    if whole != end:
        raise InputError(
            Message("{what} cannot be read", what=what), path=path, expected=f"{whole:,} bytes", found=f"{end:,}", hint=_AGAIN
        )
    return found


def number_in(folder: Path, weight: Weight | None) -> int | None:
    """Return a weight that is one whole number; None if it is missing or something else."""
    if weight is None or weight.kind not in (1, 2, 3) or weight.size not in (1, 2, 4):
        return None
    with (folder / MODEL_FILE).open("rb") as file:
        file.seek(weight.place)
        return int.from_bytes(file.read(weight.size), "little", signed=True)


def require_numbers(folder: Path) -> None:
    """Read all weights of an engine's folder. Raises InputError if one has an infinity or a NaN."""
    path = folder / MODEL_FILE
    with path.open("rb") as file:
        for name, weight in weights_of(folder).items():
            if weight.kind not in _EXPONENTS:
                continue
            kind, bits = _EXPONENTS[weight.kind]
            file.seek(weight.place)
            left = weight.size

            while block := file.read(min(left, _BLOCK)):
                left -= len(block)
                if ((np.frombuffer(block[: len(block) // 4 * 4], kind) & bits) == bits).any():
                    raise InputError("the model is damaged", path=path, found=f"values that are no numbers in {name}", hint=_AGAIN)


def words_in(folder: Path, *names: str) -> list[str]:
    """Return the first vocabulary of `names` that a folder has, as a list of tokens. names: of its files, without endings. Raises
    InputError if there is none, or it cannot be read."""
    for name in names:
        path = folder / f"{name}.json"
        if path.is_file():
            rows = read_json(path, "the vocabulary")
            if isinstance(rows, list):
                return [row for row in rows if isinstance(row, str)]
        elif path.with_suffix(".txt").is_file():
            return read_text(path.with_suffix(".txt"), "the vocabulary").removesuffix("\n").split("\n")
    raise InputError("the vocabulary cannot be read", path=folder, expected="a list of tokens", hint=_AGAIN)


def require_rows(folder: Path, weights: Mapping[str, Weight], name: str, num_words: int) -> None:
    """Raise InputError for a vocabulary with fewer words than the network has rows: the network could answer with words that are
    not in it. name: of the weight that has a row for each word."""
    shape = weights[name].shape if name in weights else ()
    if shape and num_words < shape[0]:
        raise InputError(
            "the vocabulary is not the model's", path=folder, expected=f"{shape[0]} tokens", found=num_words, hint=_AGAIN
        )


def _read_head(file: BinaryIO, path: Path) -> tuple[int, str]:
    """Read the version of the file and the kind of model; the revision of that kind follows. Raises InputError for another file."""
    head = file.read(6 + _LONGEST_NAME)
    if len(head) > 6:
        version, length = struct.unpack_from("<IH", head)
        name = head[6 : 5 + length]
        # The file may be anything: nothing is used before it is within its bounds.
        if 2 <= version <= 99 and 1 < length <= _LONGEST_NAME and name.isalnum() and head[5 + length : 6 + length] == b"\0":
            file.seek(6 + length)
            return version, name.decode("ascii")
    raise InputError("it is no model of CTranslate2", path=path, hint="ct2-transformers-converter writes one")


def _take(file: BinaryIO, form: str) -> tuple[int, ...]:
    """Read numbers as `struct` does, little-endian and without padding. Raises struct.error if the file ends before."""
    form = f"<{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _take_name(file: BinaryIO) -> str:
    (length,) = _take(file, "H")
    return file.read(length)[:-1].decode("ascii")


def engine_settings(device: str, precision: str) -> dict[str, Any]:
    """Return the arguments of CTranslate2's models for a device and a precision of --device and --precision.

    float32 leaves weights as the folder holds them (int8 stays int8); another precision is used if the engine has it on that
    device. The engine runs on the CPU instead of Apple's MPS, which it does not know, and, with a line in the log, if its CUDA
    library cannot be opened. Raises UsageError for a device that is not here.
    """
    from avcore.compute.inference import resolve_device, resolve_precision

    place = resolve_device(device)
    kind = "cuda" if place.type == "cuda" and _has_cublas() else "cpu"
    compute = "default"

    if precision != "float32":
        with extra_needed("ctranslate2"):
            import ctranslate2
        wanted = str(resolve_precision(precision, place)).removeprefix("torch.")
        has = ctranslate2.get_supported_compute_types(kind, place.index or 0)
        compute = wanted if wanted != "float32" and wanted in has else "default"
    return {"device": kind, "device_index": place.index or 0, "compute_type": compute}


@cache
def _has_cublas() -> bool:
    """Return whether the CUDA 12 library that CTranslate2 needs can be opened: the system's, or that of NVIDIA's package, which is
    loaded here for it. torch brings the library of another CUDA version."""
    found = find_spec("nvidia.cublas") if find_spec("nvidia") is not None else None
    folders = [] if found is None else [Path(folder) / "lib" for folder in found.submodule_search_locations or ()]
    for library in (_CUBLAS, *(str(folder / _CUBLAS) for folder in folders)):
        with suppress(OSError):
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
            return True
    LOG.warning("%s cannot be opened: recognizers and translators of text run on the CPU (pip install nvidia-cublas-cu12)", _CUBLAS)
    return False


def folder_fingerprint(folder: Path) -> str:
    """Return a fingerprint of all that a folder's answers depend on: its weights, tokenizers and vocabularies."""
    files = [path for path in sorted(folder.iterdir()) if matters(path)]
    return fingerprint(*(f"{path.name} {file_digest(path)}".encode() for path in files))


def matters(path: Path) -> bool:
    """Return whether the answers of a folder's model may depend on a file in it."""
    return path.is_file() and (path.name == MODEL_FILE or path.suffix in (".json", ".txt", ".model", ".spm"))


@contextmanager
def extra_needed(library: str) -> Iterator[None]:
    """Import libraries of the extra `asr` within this block. Raises UsageError if one is not installed.

    The engine's own warnings, for instance about precisions that the processor lacks, are not shown.
    """
    try:
        yield
        import ctranslate2

        ctranslate2.set_log_level(logging.ERROR)
    except ImportError as error:
        raise UsageError(
            Message("{library} is not installed", library=library), found=reason(error), hint=pip_line("asr")
        ) from error


@contextmanager
def engine_errors(folder: Path, what: str, how: str = "cannot be read") -> Iterator[None]:
    """Use an engine within this block: whatever it raises becomes an InputError of one line. what, how: name of the model and what
    failed, in the message. Lack of memory and our own errors pass."""
    try:
        yield
    except (NetflipsError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # the engine and sentencepiece raise many kinds, and a panic of tokenizers is no Exception
        if is_no_memory(error):
            raise
        LOG.debug("%s", folder, exc_info=True)
        raise InputError(f"{what} {how}", path=folder, found=reason(error), hint=_AGAIN) from error


def _other_weights(folder: Path) -> str:
    """Describe what a folder without a CTranslate2 model holds instead."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return f"{name}, which ct2-transformers-converter converts"
    names = sorted(path.name for path in folder.iterdir())[:4]
    return f"a folder with {', '.join(names)}" if names else "an empty folder"


# The trial in a process of its own


def try_apart(trial: Trial, folder: Path, what: str, settings: Mapping[str, Any]) -> None:
    """Try a folder in another process, unless it was tried before as it is now. Raises InputError, in one line, if it fails.

    what: name of the model in messages. settings: of the engine. A success is recorded in the user's cache, under a key of the
    files' inodes, lengths and times, the settings, and the versions of the engines.
    """
    mark = _mark(trial, folder, settings)
    if mark is not None and mark.is_file():
        return

    is_on_cpu = settings["device"] == "cpu"
    most_memory = max(_LEAST_BYTES, _TIMES * (folder / MODEL_FILE).stat().st_size) if is_on_cpu else 0

    try:
        apart(trial, folder, settings, limit_s=_LONGEST_S, what="its trial", most_memory=most_memory)
    except InputError as error:
        if not error.what.startswith(("it failed", "its trial")):  # the trial's own error says what is wrong
            raise
        raise InputError(f"{what} failed when it was tried", path=folder, found=error.found, hint=_AGAIN) from error

    if mark is not None:
        with suppress(OSError):  # without a mark it is only tried again
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def _mark(trial: Trial, folder: Path, settings: Mapping[str, Any]) -> Path | None:
    """Return the file whose presence says that the folder was tried as it is now; None if there is no place for it."""
    try:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        files = [
            (path.name, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            for path in sorted(folder.iterdir())
            if matters(path)
            for found in [path.stat()]
        ]
    except (OSError, RuntimeError):
        return None

    versions = []
    for name in _ENGINES:
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return place.joinpath(*_PLACE, key_of(trial.__qualname__, sorted(settings.items()), versions, files))
