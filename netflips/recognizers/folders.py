"""Folders that CTranslate2's converters write: which model is in one, before its engine is loaded; nothing is ever downloaded.

A folder of a stranger is tried once in a process of its own: a crash of its engine there is one line here.
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

from avcore.errors import InputError, NetflipsError, UsageError, is_no_memory, pip_line, reason
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
"""How floating weights are looked at, and the bits that are all set in what is no number, by kind."""
_FIRST_WITH_SIZES, _MOST_WEIGHTS, _MOST_AXES = 4, 100_000, 8
"""The first version of the file that states the bytes of each weight, and more than any model has."""
Trial = Callable[[Path, Mapping[str, Any]], None]
"""Opens a folder with the engine's settings and uses it; raises whatever it raises. A function of a module."""
_ENGINES = ("ctranslate2", "faster-whisper", "tokenizers", "sentencepiece")
_LONGEST_S = 900.0
_LEAST_BYTES, _TIMES = 8 << 30, 6
"""Of memory on a CPU: at least so much, or so many times the weights."""
_PLACE = "netflips", "tried"


class Weight(NamedTuple):
    """A weight in the file. kind: 0 float32, 1 int8, 2 int16, 3 int32, 4 float16, 5 bfloat16. place, size: its bytes."""

    shape: tuple[int, ...]
    kind: int
    place: int
    size: int


def require_engine_folder(folder: str | Path, spec: str, what: str, needed: Sequence[str], hint: str) -> Path:
    """Return a folder of CTranslate2 that holds a model of a kind, and the files that are read beside it.

    spec: WHISPER or SEQUENCE_TO_SEQUENCE. what: its name in messages. needed: files, `a|b` = either. Raises InputError for
    anything else, in one line that says what is there; hint: what to do.
    """
    folder = Path(folder)
    wanted = f"a folder that CTranslate2 wrote, with {MODEL_FILE} of {_KINDS[spec]}"
    if folder.is_file():
        raise InputError(f"{what} must be a folder", path=folder, expected=wanted, found="a file", hint=hint)
    if not folder.is_dir():
        raise InputError(f"{what} is not there", path=folder, expected=wanted, hint=f"nothing is downloaded; {hint}")
    if not (folder / MODEL_FILE).is_file():
        raise InputError(f"{what} cannot be used", path=folder, expected=wanted, found=_other_weights(folder), hint=hint)
    found = spec_of(folder)
    if found != spec:
        raise InputError(f"{what} is no such model", path=folder, expected=_KINDS[spec], found=_KINDS.get(found, found), hint=hint)
    for choice in needed:
        if not any((folder / name).is_file() for name in choice.split("|")):
            raise InputError(f"{what} is not complete", path=folder, expected=choice.replace("|", " or "), found="no such file")
    weights_of(folder, what)
    return folder


def spec_of(folder: Path) -> str:
    """Return the kind of model that the head of a folder's weights names. Raises InputError for what CTranslate2 did not write."""
    path = require_file(folder / MODEL_FILE, "the model")
    with path.open("rb") as file:
        return _read_head(file, path)[1]


def weights_of(folder: Path, what: str = "the model") -> dict[str, Weight]:
    """Return what lies where in a folder's weights, by name; empty for files of old versions, which do not state it.

    what: its name in messages. Raises InputError for a file that is longer or shorter than it says, or says what cannot be.
    """
    path = folder / MODEL_FILE
    end, found = path.stat().st_size, dict[str, Weight]()
    with path.open("rb") as file:
        if _read_head(file, path)[0] < _FIRST_WITH_SIZES:
            return {}
        try:
            _, count = _take(file, "II")
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
            raise InputError(f"{what} cannot be read", path=path, found=length, hint=_AGAIN) from error
    if whole != end:
        raise InputError(f"{what} cannot be read", path=path, expected=f"{whole:,} bytes", found=f"{end:,}", hint=_AGAIN)
    return found


def number_in(folder: Path, weight: Weight | None) -> int | None:
    """Return a whole number among the weights; None where there is none."""
    if weight is None or weight.kind not in (1, 2, 3) or weight.size not in (1, 2, 4):
        return None
    with (folder / MODEL_FILE).open("rb") as file:
        file.seek(weight.place)
        return int.from_bytes(file.read(weight.size), "little", signed=True)


def require_numbers(folder: Path) -> None:
    """Read all weights of an engine's folder. Raises InputError for one that holds what is no number."""
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
    """Return a vocabulary of CTranslate2, the first that is there. Raises InputError for one that cannot be read."""
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
    """Raise InputError for a vocabulary of fewer words than the network has rows for: it would answer with words that are none."""
    shape = weights[name].shape if name in weights else ()
    if shape and num_words < shape[0]:
        raise InputError(
            "the vocabulary is not the model's", path=folder, expected=f"{shape[0]} tokens", found=num_words, hint=_AGAIN
        )


def _read_head(file: BinaryIO, path: Path) -> tuple[int, str]:
    """Version of the file, and the kind of model, whose revision stands next. Raises InputError."""
    head = file.read(6 + _LONGEST_NAME)
    if len(head) > 6:
        version, length = struct.unpack_from("<IH", head)
        name = head[6 : 5 + length]
        if 2 <= version <= 99 and 1 < length <= _LONGEST_NAME and name.isalnum() and head[5 + length : 6 + length] == b"\0":
            file.seek(6 + length)
            return version, name.decode("ascii")
    raise InputError("it is no model of CTranslate2", path=path, hint="ct2-transformers-converter writes one")


def _take(file: BinaryIO, form: str) -> tuple[int, ...]:
    """Numbers as `struct` reads them, without gaps. Raises struct.error where the file ends before."""
    form = f"<{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _take_name(file: BinaryIO) -> str:
    (length,) = _take(file, "H")
    return file.read(length)[:-1].decode("ascii")


def engine_settings(device: str, precision: str) -> dict[str, Any]:
    """Arguments of CTranslate2's models for a device and a number format as commands name them.

    float32 leaves numbers as the folder holds them (int8 stays int8); another format is taken where the engine has it on that
    device. Apple's MPS is none of its devices: it computes on the CPU then, and so it does, with a line that says so, where the
    library of CUDA that it was built for cannot be opened. Raises UsageError for a device that is not here.
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
    """Return whether the library of CUDA 12 that CTranslate2 opens is here: the system's, or of NVIDIA's package, which is opened
    for it. torch brings that of another CUDA."""
    found = find_spec("nvidia.cublas") if find_spec("nvidia") is not None else None
    folders = [] if found is None else [Path(folder) / "lib" for folder in found.submodule_search_locations or ()]
    for library in (_CUBLAS, *(str(folder / _CUBLAS) for folder in folders)):
        with suppress(OSError):
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
            return True
    LOG.warning("%s cannot be opened: recognizers and translators of text run on the CPU (pip install nvidia-cublas-cu12)", _CUBLAS)
    return False


def folder_fingerprint(folder: Path) -> str:
    """Return what a folder's answers depend on, as a name made from all that its weights hold, and what cuts text or names
    tokens."""
    files = [path for path in sorted(folder.iterdir()) if matters(path)]
    return fingerprint(*(f"{path.name} {file_digest(path)}".encode() for path in files))


def matters(path: Path) -> bool:
    """Return whether a folder's answers may depend on a file in it."""
    return path.is_file() and (path.name == MODEL_FILE or path.suffix in (".json", ".txt", ".model", ".spm"))


@contextmanager
def extra_needed(library: str) -> Iterator[None]:
    """Within it libraries of the extra `asr` are imported. Raises UsageError where one is not installed.

    The engine's own remarks, as about number formats that a processor has not, stay its own.
    """
    try:
        yield
        import ctranslate2

        ctranslate2.set_log_level(logging.ERROR)
    except ImportError as error:
        raise UsageError(f"{library} is not installed", found=reason(error), hint=pip_line("asr")) from error


@contextmanager
def engine_errors(folder: Path, what: str, how: str = "cannot be read") -> Iterator[None]:
    """Within it an engine reads or uses a folder. Raises InputError, in one line, for what it cannot."""
    try:
        yield
    except (NetflipsError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # of the engine, of tokenizers (a panic is no Exception) and of sentencepiece
        if is_no_memory(error):
            raise
        LOG.debug("%s", folder, exc_info=True)
        raise InputError(f"{what} {how}", path=folder, found=reason(error), hint=_AGAIN) from error


def _other_weights(folder: Path) -> str:
    """Return what a folder without a model of CTranslate2 holds instead."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return f"{name}, which ct2-transformers-converter converts"
    names = sorted(one.name for one in folder.iterdir())[:4]
    return f"a folder with {', '.join(names)}" if names else "an empty folder"


# The trial in a process of its own


def try_apart(trial: Trial, folder: Path, what: str, settings: Mapping[str, Any]) -> None:
    """Try a folder in another process, unless it was tried before as it is now. Raises InputError, in one line, for one that fails.

    what: its name in messages. settings: of the engine. That it went well is noted in the user's cache, under a name made of the
    files' places, lengths and times, the settings and the versions of the engines.
    """
    mark = _mark(trial, folder, settings)
    if mark is not None and mark.is_file():
        return
    is_on_cpu = settings["device"] == "cpu"
    most_memory = max(_LEAST_BYTES, _TIMES * (folder / MODEL_FILE).stat().st_size) if is_on_cpu else 0
    try:
        apart(trial, folder, settings, limit_s=_LONGEST_S, what="its trial", most_memory=most_memory)
    except InputError as error:
        if not error.what.startswith(("it failed", "its trial")):  # the trial says what is wrong
            raise
        raise InputError(f"{what} failed when it was tried", path=folder, found=error.found, hint=_AGAIN) from error
    if mark is not None:
        with suppress(OSError):  # it is tried again, then
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def _mark(trial: Trial, folder: Path, settings: Mapping[str, Any]) -> Path | None:
    """Return the file that says that the folder, as it is now, was tried; None where there is no place for it."""
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
