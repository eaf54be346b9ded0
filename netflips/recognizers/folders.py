"""Folders that CTranslate2's converters write: which model is in one, before its engine is loaded; nothing is ever downloaded."""

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError, reason
from avcore.files import require_file
from avcore.runs.cache import file_digest
from avcore.units.vocabulary import fingerprint

MODEL_FILE = "model.bin"
WHISPER, SEQUENCE_TO_SEQUENCE = "WhisperSpec", "TransformerSpec"
_LONGEST_NAME = 64
_KINDS = {WHISPER: "a Whisper", SEQUENCE_TO_SEQUENCE: "a text translator", "TransformerDecoderSpec": "a language model"}
_EXTRA = 'pip install "netflips[asr]"'


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
    return folder


def spec_of(folder: Path) -> str:
    """The kind of model that the head of a folder's weights names. Raises InputError for what CTranslate2 did not write."""
    path = require_file(folder / MODEL_FILE, "the model")
    with path.open("rb") as file:
        head = file.read(6 + _LONGEST_NAME)
    if len(head) > 6:
        version, length = struct.unpack_from("<IH", head)
        name = head[6 : 5 + length]
        if 2 <= version <= 99 and 1 < length <= _LONGEST_NAME and name.isalnum() and head[5 + length : 6 + length] == b"\0":
            return name.decode("ascii")
    raise InputError("it is no model of CTranslate2", path=path, hint="ct2-transformers-converter writes one")


def engine_settings(device: str, precision: str) -> dict[str, Any]:
    """Arguments of CTranslate2's models for a device and a number format as commands name them.

    float32 leaves numbers as the folder holds them (int8 stays int8); another format is taken where the engine has it on that
    device. Apple's MPS is none of its devices: it computes on the CPU then. Raises UsageError for a device that is not here.
    """
    from avcore.compute.device import resolve_device, resolve_precision

    place = resolve_device(device)
    kind = "cuda" if place.type == "cuda" else "cpu"
    compute = "default"
    if precision != "float32":
        with extra_needed("ctranslate2"):
            import ctranslate2
        wanted = str(resolve_precision(precision, place)).removeprefix("torch.")
        has = ctranslate2.get_supported_compute_types(kind, place.index or 0)
        compute = wanted if wanted != "float32" and wanted in has else "default"
    return {"device": kind, "device_index": place.index or 0, "compute_type": compute}


def folder_fingerprint(folder: Path) -> str:
    """What a folder's answers depend on, as a name made from all that its weights hold, and what cuts text or names tokens."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and _matters(path)]
    return fingerprint(*(f"{path.name} {file_digest(path)}".encode() for path in files))


def _matters(path: Path) -> bool:
    return path.name == MODEL_FILE or path.suffix in (".json", ".txt", ".model")


@contextmanager
def extra_needed(library: str) -> Iterator[None]:
    """Within it libraries of the extra `asr` are imported. Raises UsageError where one is not installed."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{library} is not installed", found=reason(error), hint=_EXTRA) from error


@contextmanager
def engine_errors(folder: Path, what: str) -> Iterator[None]:
    """Within it an engine reads a folder. Raises InputError, in one line, for what it cannot read."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # of the engine, of tokenizers and of sentencepiece: each has its own kinds
        logging.getLogger("netflips").debug("%s", folder, exc_info=True)
        raise InputError(f"{what} cannot be read", path=folder, found=reason(error), hint="get the folder again") from error


def _other_weights(folder: Path) -> str:
    """What a folder without a model of CTranslate2 holds instead."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return f"{name}, which ct2-transformers-converter converts"
    names = sorted(one.name for one in folder.iterdir())[:4]
    return f"a folder with {', '.join(names)}" if names else "an empty folder"
