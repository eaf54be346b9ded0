"""kosp2e (Cho et al. 2021): Korean recordings with English translations by people.

    data/zeroth/NAME.wav                22,263 sentences of Zeroth (CC BY 4.0)
    data/{stylekqc,kss,covid}/NAME.wav  others (CC BY-SA 4.0, CC BY-NC-SA 4.0, CC BY-NC-SA 4.0)
    split/zeroth_{train,dev,test}.xlsx  names in the second column, English in the third

Korean scripts are given out on request only; those of Zeroth stand in Zeroth's own corpus, which has the same names (--texts).

`netflips prepare kosp2e --data-root kosp2e --texts data/zeroth/manifest.jsonl --out-dir data/kosp2e`
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from avcore.data.manifest import Entry, iter_entries
from avcore.data.prepare.recordings import CorpusRecording, RecordedCorpus
from avcore.data.prepare.sources import CorpusFile
from avcore.errors import InputError
from avcore.files import Input
from avcore.flags import Command, flag

PARTS = ("zeroth", "stylekqc", "kss", "covid")
_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_STEM = 5
"""Letters by which tables and folders of a part are known: `style_dev.xlsx` is of `stylekqc`."""
_SHEET, _STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
_NAME, _ENGLISH = 1, 2
"""Columns, from 0."""


@dataclass(frozen=True, kw_only=True)
class Kosp2eCorpus(RecordedCorpus):
    """kosp2e to 16 kHz wav and a manifest of Korean speech with English translations."""

    data_root: Path = flag(metavar="DIR")
    """the repository, with data.zip's content or the archive itself in data"""
    subset: tuple[str, ...] = flag(default=(), action="append", nargs=None, choices=PARTS)
    """only this part of the corpus; may be given several times (default: zeroth, the one that is free)"""
    texts: Path | None = flag(default=None, file=Input("the manifest of the texts"))
    """manifest with the Korean texts by the same ids, as Zeroth's (default: entries have no text)"""
    corpus = "kosp2e"
    lasting = ("subset",)

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each recording with a translation. Raises InputError for another layout."""
        listing, wanted = self.listing(), self.subset or PARTS[:1]
        tables = [file for file in listing.with_suffix(".xlsx") if _part_of(file.stem) in wanted]
        sounds = {(part, file.stem): file for file in listing.with_suffix(".wav") if (part := _part_in(file)) in wanted}
        if not tables or not sounds:
            raise self.other_layout("kosp2e", "split/zeroth_train.xlsx and data/zeroth/*.wav", listing.first_names())
        entries = () if self.texts is None else iter_entries(self.texts)
        texts = {entry.id: entry.text for _, entry in entries}

        for table in tables:
            part, split = _part_of(table.stem), _SPLITS.get(table.stem.rpartition("_")[2], "")
            with table.on_disk(self.temporary) as path:
                rows = list(_rows(path))[1:]  # the first has the names of the columns
            for row in rows:
                name, english = row.get(_NAME, "").removesuffix(".wav"), " ".join(row.get(_ENGLISH, "").split())
                sound = sounds.pop((part, name), None)
                if sound is None or not english:
                    self.problems[f"{table.name}: {name}"] = "its recording is not there" if english else "it has no translation"
                    continue
                entry = Entry(
                    name, f"audio/{part}/{name}.wav", language="ko", text=texts.get(name, ""), translation=english,
                    speaker=name.split("_")[0] if part == PARTS[0] else "", extra={"split": split, "subset": part},
                )  # fmt: skip
                yield CorpusRecording(sound, entry)


def _part_of(name: str) -> str:
    """Return the part that a table or a folder belongs to, "" = none. `kss_re` is kss recorded again."""
    return next((part for part in PARTS if name[:_STEM].rstrip("_") == part[:_STEM]), "kss" if name.startswith("kss") else "")


def _part_in(file: CorpusFile) -> str:
    return next((part for folder in reversed(file.folders) if (part := _part_of(folder))), "")


def _rows(path: Path) -> Iterator[dict[int, str]]:
    """Yield the cells of each row of a spreadsheet's first sheet as text, by column from 0. Raises InputError."""
    try:
        with zipfile.ZipFile(path) as book:
            strings = list[str]()
            if _STRINGS in book.namelist():
                strings = ["".join(item.itertext()) for item in ElementTree.fromstring(book.read(_STRINGS))]
            sheet = ElementTree.fromstring(book.read(_SHEET))
        space = sheet.tag.partition("}")[0] + "}"
        for row in sheet.iter(f"{space}row"):
            cells = dict[int, str]()
            for number, cell in enumerate(row.iter(f"{space}c")):
                text = "".join(cell.itertext())
                is_shared = cell.get("t") == "s"
                cells[_column(cell.get("r", ""), number)] = strings[int(text)] if is_shared else text
            yield cells
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, ElementTree.ParseError, OSError) as error:
        raise InputError("this spreadsheet cannot be read", path=path, expected="an .xlsx file", found=error) from error


def _column(place: str, number: int) -> int:
    """Return the column of a cell, from 0: 2 for `C7`; `number` where its place is not stated."""
    letters = place.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = 26 * column + ord(letter) - ord("A") + 1
    return column - 1 if letters else number


_COMMAND = Command(Kosp2eCorpus, "netflips prepare kosp2e", Kosp2eCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
