"""Test splits as published corpora lay them out, as cases: source videos, texts that are right, speech that is right.

MuAViC: `<split>.tsv` with the root in its first line, then id, video, sound, pictures and samples, and `<split>.<language>` with a
text a line; what is translated lies in a folder of the language, or beside it. CVSS: `<split>.tsv` with id and text, and
`<split>/<id>.wav`. Names that another program gave the dubs of the same clips are found by id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from avcore.files import require_file
from avcore.plain_text import several
from avcore.texts import iter_lines
from netflips.evaluate.cases import CaseFiles

_VIDEOS = (".mp4", ".mkv", ".mov", ".m4v", ".webm", ".avi", ".mpg")
_SOUNDS = (".wav", ".flac", ".mp3.wav", ".mp3", ".ogg", ".m4a")
_NAMED = 10


@dataclass(frozen=True)
class Layout:
    """Where a split lies. folder: of the sources and texts. dubs: of what was made. speech: of what is right, None = nowhere.

    language: two letters, of texts and dubs."""

    folder: Path
    dubs: Path
    split: str
    language: str
    speech: Path | None = None


def cases_of_folder(layout: Layout) -> list[CaseFiles]:
    """Return the cases of a split, in the order of its table. Raises InputError naming what is not as it should be."""
    beside, own = layout.folder / f"{layout.split}.tsv", layout.folder / layout.language / f"{layout.split}.tsv"
    table = require_file(own if own.is_file() else beside, "the table of the split", hint="give --split")
    clips = list(_rows(table))
    texts = _texts(table, layout, [text for _, _, text in clips])
    spoken = {} if layout.speech is None else _by_name(layout.speech, layout.split, _SOUNDS + _VIDEOS)
    dubs = _by_name(layout.dubs, layout.split, _VIDEOS + _SOUNDS)
    videos = {} if all(video for _, video, _ in clips) else _by_name(layout.folder / "video", layout.split, _VIDEOS)
    found, lost = list[CaseFiles](), list[str]()
    for (name, video, _), text in zip(clips, texts, strict=True):
        dub, source = _named(dubs, name, layout.language), Path(video) if video else _named(videos, name)
        if dub is None or source is None:
            lost.append(f"{name} ({'dub' if dub is None else 'source'})")
            continue
        speaker = name.split("/")[-2] if name.count("/") >= 2 else ""  # as ids of talks say it: <split>/<talk>/<talk>_<number>
        found.append(CaseFiles(name, dub, source, _named(spoken, name), text, speaker, layout.language))
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        what, told = f"{several(len(lost), 'clip')} of {table.name} without a file", ", ".join(lost[:_NAMED]) + more
        raise InputError(what, path=layout.dubs, expected=f"<id>.mp4 or <id>_{layout.language}.mp4", found=told)
    return found


def _rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Yield id, video ("" = to be found by the id) and text ("" = not in this table) of the clips of a table of either kind.

    Raises InputError naming the line that is none.
    """
    root = Path()
    for number, line in iter_lines(table, "the table of the split"):
        cells = line.rstrip("\n").split("\t")
        if number == 1 and len(cells) == 1:
            root = table.parent / cells[0]
        elif len(cells) >= 5:
            yield cells[0], str(root / cells[1]), ""
        elif len(cells) == 2 and all(cell.strip() for cell in cells):
            yield cells[0].strip(), "", cells[1].strip()
        elif line.strip():
            expected = "id, video, sound, pictures, samples; or id and text"
            raise InputError(f"line {number} is no clip", path=table, expected=expected, found=f"{len(cells)} columns")


def _texts(table: Path, layout: Layout, texts: list[str]) -> list[str]:
    """The text of each clip. Raises InputError where there are more or fewer, or empty ones. texts: as the table has them."""
    if not texts:
        raise InputError("the table of the split is empty", path=table)
    path, count = table, len(texts)
    if not any(texts):
        path = require_file(table.with_suffix(f".{layout.language}"), "the texts of the split")
        texts = [" ".join(line.split()) for _, line in iter_lines(path, "the texts of the split")]
        if len(texts) != count:
            raise InputError("texts and clips differ in number", path=path, expected=f"{count}, a line each", found=len(texts))
    empty = [str(number) for number, text in enumerate(texts, 1) if not text]
    if empty:
        raise InputError("reference texts are empty", path=path, expected="what should be said", found=f"lines {', '.join(empty)}")
    return texts


def _by_name(folder: Path, split: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder, or of its part for the split, by their place in it and by their name, without the suffix."""
    inner = folder / split if (folder / split).is_dir() else folder
    if not inner.is_dir():
        raise InputError("there is no such folder", path=folder, hint="check the path")
    found = dict[str, Path]()
    for path in sorted(inner.rglob("*")):
        suffix = next((one for one in sorted(suffixes, key=len, reverse=True) if path.name.lower().endswith(one)), None)
        if suffix is not None and path.is_file():
            name = str(path.relative_to(inner))[: -len(suffix)]
            found.setdefault(name, path)
            found.setdefault(name.rpartition("/")[2], path)
    return found


def _named(files: dict[str, Path], name: str, language: str = "") -> Path | None:
    """The file of an id, by all of it or its last part; with the ending of a dub, as `_ko`, too."""
    plain = name.removesuffix(".mp3")
    for one in (plain, plain.rpartition("/")[2]):
        for ending in ("", f"_{language}" if language else ""):
            if one + ending in files:
                return files[one + ending]
    return None
