"""The two sides of a test split: units by id from whatever holds them, and what belongs together."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avcore.command import LOG
from avcore.errors import InputError, UnitError
from avcore.files import require_file
from avcore.plain_text import several
from avcore.runs.journal import iter_rows
from avcore.units import Ids, parse_units
from avdata.unit_store import UNIT_SUFFIXES, read_units
from netflips.evaluate.unit_scores import Pair

_TABLES = (".jsonl", ".parquet")
_IDS = ".ids"
_REFERENCE = "reference"
_NAMED, _SHOWN = 3, 20

Side = dict[str, Ids]
"""Units by id, int64 [N] each; repeats may be there, and none at all."""


def read_side(path: Path) -> Side:
    """Read JSON lines or Parquet (by id), a folder of such or of unit files (by name), or a text file of an utterance a line.

    A text file's ids stand in the file of its name and the ending `.ids` beside it, as `prepare_pairs` writes it, or are numbers of
    lines. A blank unit file or line is an utterance without units. Raises InputError or UnitError naming the place.
    """
    if path.suffix in _TABLES or (path.is_dir() and _holds_tables(path)):
        return {name: units.ids for name, units in read_units(path).items()}
    found = _of_files(path) if path.is_dir() else _of_lines(path)
    if not found:
        raise InputError("there are no units", path=path, expected="JSON lines, unit files, or lines of units")
    return found


def _holds_tables(folder: Path) -> bool:
    inner = folder / "shards" if (folder / "shards").is_dir() else folder
    return any(file.suffix in _TABLES for file in inner.iterdir())


def _of_files(folder: Path) -> Side:
    files = sorted(file for file in folder.rglob("*") if file.suffix in UNIT_SUFFIXES and not file.name.startswith("."))
    first = {file: next((line for line in _text(file).splitlines() if line.strip()), "") for file in files}
    return {file.relative_to(folder).with_suffix("").as_posix(): parse_units(line, file) for file, line in first.items()}


def _of_lines(path: Path) -> Side:
    lines = _text(require_file(path, "the units")).splitlines()
    names = [str(number) for number in range(1, len(lines) + 1)]
    beside = path.with_suffix(_IDS)
    if beside.is_file():
        names = _text(beside).splitlines()
        if len(names) != len(lines):
            expected = f"{len(names)} as in {beside}"
            raise InputError("the lines of units and of ids differ in number", path=path, expected=expected, found=len(lines))
    return {name: parse_units(line, f"{path}:{number}") for number, (name, line) in enumerate(zip(names, lines, strict=True), 1)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnitError("this is not a text file", path=path, expected="whole numbers with blanks between") from error


def read_pairs(path: Path, given: str) -> tuple[Side, Side, tuple[str, str]]:
    """Both sides of a manifest, and the languages of the first and the second: of lines `{"id", <given>, "reference"}`.

    given: the name of the first side's field: `units` or `source`. Units are a list of numbers, or a text of them. Lines may have
    `source_language` and `language`, all the same; "" = not said. Raises InputError naming all lines that are wrong.
    """
    first, second = dict[str, Ids](), dict[str, Ids]()
    spoken, wrong = set[tuple[str, str]](), list[str]()
    for number, row in iter_rows(path):
        try:
            name = row["id"]
            if not isinstance(name, str) or name in first:
                raise ValueError(f"the id {name!r} stands there twice" if name in first else "its id is no text")
            sides = [_ids(row[field], f"{path}:{number}") for field in (given, _REFERENCE)]
            spoken.add((str(row.get("source_language", "")), str(row.get("language", ""))))
        except KeyError as error:
            wrong.append(f"line {number}: it has no {error.args[0]}")
        except (ValueError, UnitError) as error:
            wrong.append(f"line {number}: {error}")
        else:
            first[name], second[name] = sides
    form = f'{{"id": ..., "{given}": [...], "{_REFERENCE}": [...]}}'
    if wrong:
        what = several(len(wrong), "line is no pair", "lines are no pairs")
        raise InputError(what, path=path, expected=form, found="; ".join(wrong[:_SHOWN]))
    if not first:
        raise InputError("the manifest holds no pairs", path=path, expected=form)
    if len(spoken) > 1:
        raise InputError("the languages of the pairs are mixed", path=path, expected="one pair of them", found=len(spoken))
    return first, second, next(iter(spoken))


def _ids(value: object, place: str) -> Ids:
    """Units of a line, int64 [U]. Raises ValueError or UnitError."""
    if isinstance(value, str):
        return parse_units(value, place)
    if isinstance(value, list) and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value):
        return np.array(value, dtype=np.int64)
    raise ValueError("its units are no list of whole numbers")


def match(found: Mapping[str, Ids], references: Mapping[str, Ids], is_missing_empty: bool = False) -> list[Pair]:
    """Bring the two sides together by id, in the references' order.

    One utterance on each side is one pair whatever they are called. is_missing_empty: a reference that nothing was found for counts
    as one for which no units were found; else it is an InputError.
    """
    if len(found) == len(references) == 1:
        return [Pair.of(name, next(iter(found.values())), reference) for name, reference in references.items()]
    missing = [name for name in references if name not in found]
    if missing and (not is_missing_empty or len(missing) == len(references)):
        told, hint = f"{len(missing)} without: {_some(missing)}", "--missing-as-empty counts them as wrong"
        raise InputError("references lack hypotheses", expected="one of the same id for each", found=told, hint=hint)
    if missing:
        LOG.warning("%s without a hypothesis, counted as wrong: %s", several(len(missing), "reference"), _some(missing))
    extra = [name for name in found if name not in references]
    if extra:
        LOG.warning("%s without a reference, left out: %s", several(len(extra), "hypothesis", "hypotheses"), _some(extra))
    nothing = np.zeros(0, dtype=np.int64)
    return [Pair.of(name, found.get(name, nothing), reference) for name, reference in references.items()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
