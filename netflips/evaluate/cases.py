"""The cases of an evaluation suite: files of what was made, what it was made from and what is right.

    {"id": "t1", "source": "t1.mp4", "dub": "t1_ko.mp4", "reference_text": "...", "reference": "t1_ko.wav", "speaker": "ann"}

Everything is checked before any work, and all that is wrong of one kind is told at once. Paths start from the manifest's folder.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avcore.errors import InputError, MediaError, NetflipsError
from avcore.journal import iter_rows
from avcore.media import probe
from avcore.notes import several
from avcore.timeline import frames_to_seconds
from avcore.units import normalise_language
from unit2text.text import character_errors, normalise_for_reading

DUBBED, ITSELF, SHUFFLED, TRUTH = "dub", "source", "shuffled", "reference"
"""What stands in the place of the dub: itself; the source; the sound of another case's dub under its own picture; the speech
that is right. All but the first are baselines."""
FILES = ("source", "dub", "reference", "report", "subtitles")
"""Fields of a line that name files."""
_OTHERS = "other_texts"
_FIELDS = ("id", *FILES[:-1], "reference_text", _OTHERS, "speaker", "language", "group")
_NAMED = 20
"""Complaints of one kind that are named one by one."""
_OF_BENCH = ("id", "source", "reference_text", _OTHERS, "subtitles")
_FORM = '{"id": ..., "source": ..., "dub": ..., "reference_text": ...}'


@dataclass(frozen=True)
class CaseFiles:
    """A line of a manifest; of files None = there is none, of texts "" = not known."""

    id: str
    dub: Path
    """what was made; of a bench, which names it elsewhere, the source"""
    source: Path | None = None
    reference: Path | None = None
    """right speech, or a video of it"""
    reference_text: str = ""
    """what should be said"""
    speaker: str = ""
    """whose voice it should be"""
    language: str = ""
    """of the dub, two letters"""
    report: Path | None = None
    """JSON of `netflips dub --report`"""
    group: str = ""
    """the part of the table that it is in"""
    other_texts: tuple[str, ...] = ()
    """how else what should be said may be said"""
    subtitles: Path | None = None
    """of a bench: what a dub should say, and when"""

    @property
    def files(self) -> dict[str, Path]:
        """The files that it names, by field."""
        found = {name: getattr(self, name) for name in FILES if name != "dub" or self.dub != self.source}
        return {name: path for name, path in found.items() if path is not None}

    def wanted(self, found: str) -> str:
        """Return the right text that a found one is compared with: of several the nearest, by the share of wrong characters."""
        return nearest((self.reference_text, *self.other_texts), found)

    def standing(self, subject: str) -> Path | None:
        """Return the file whose pictures stand in the dub's place; None where there is none."""
        return {ITSELF: self.source, TRUTH: self.reference}.get(subject, self.dub)


def nearest(texts: Sequence[str], found: str) -> str:
    """Return the text with the smallest share of characters that a found one has otherwise; of equals the first."""
    if len(texts) == 1:
        return texts[0]
    given = normalise_for_reading(found)

    def share(text: str) -> float:
        wrong, length = character_errors(normalise_for_reading(text), given)
        return wrong / max(length, 1)

    return min(texts, key=share)


def read_cases(
    path: Path, needs: Iterable[str] = (), language: str | None = None, form: str = _FORM, of_bench: bool = False
) -> tuple[CaseFiles, ...]:
    """Read and check a manifest.

    needs: fields that each line must have, beside id and dub. language: of lines that do not say theirs. form: of a line, in words.
    of_bench: lines name no dub, and may have more fields. Raises InputError that names all lines of the first kind that is wrong:
    not of the form, doubled ids, mixed languages, missing files.
    """
    found, wrong, needed = dict[str, CaseFiles](), list[str](), {"id", *needs, *(() if of_bench else ("dub",))}
    for number, row in iter_rows(path):
        if of_bench:
            row = {name: row[name] for name in _OF_BENCH if name in row}
        try:
            found[f"line {number}"] = _case(row, path.parent, needed)
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    _refuse(wrong, path, ("line is no case", "lines are no cases"), form)
    if not found:
        raise InputError("the manifest holds no cases", path=path, expected=form)
    return check_cases(found, path, language)


def check_cases(cases: Mapping[str, CaseFiles], path: Path, language: str | None = None) -> tuple[CaseFiles, ...]:
    """Check cases, by where each was read, against one another and the disk; returns them with their language.

    path: where they were read. Raises InputError as `read_cases` does.
    """
    counts = Counter(case.id for case in cases.values())
    doubled = [f"{place}: {case.id}" for place, case in cases.items() if counts[case.id] > 1]
    _refuse(doubled, path, ("", "ids stand there more than once"), "one line for each id")
    given = None if language is None else normalise_language(language)
    spoken: dict[str, str] = {}
    for case in cases.values():
        own = normalise_language(case.language) if case.language else given or ""
        before = spoken.setdefault(case.group, own) or own
        if own and own != before:
            hint, found = "a table has one language: divide the manifest, or name groups", ", ".join(sorted((before, own)))
            raise InputError("the languages of the dubs are mixed", path=path, expected="one", found=found, hint=hint)
        spoken[case.group] = before
    if given is not None and (other := sorted(set(spoken.values()) - {given})):
        raise InputError("the manifest is of another language", path=path, expected=given, found=other[0])
    named_files = [(f"{place}: {field} {file}", file) for place, case in cases.items() for field, file in case.files.items()]
    missing = [place for place, file in named_files if not file.is_file() or not file.stat().st_size]
    what = ("file is not there, or empty", "files are not there, or empty")
    _refuse(missing, path, what, "files that can be read", "check the paths")
    return tuple(replace(case, language=spoken[case.group]) for case in cases.values())


def check_media(cases: Sequence[CaseFiles], path: Path) -> None:
    """Raise MediaError naming all dubs that no figure can be taken of: not to be decoded, or shorter than a picture."""
    wrong = []
    for case in cases:
        try:
            info = probe(case.dub)
        except NetflipsError as error:
            wrong.append(str(error))
            continue
        faults = {
            "neither sound nor pictures": not info.has_audio and not info.has_video,
            f"a single picture ({info.still})": info.still,
            f"{float(info.duration_s):.3f} s, shorter than a picture": info.duration_s < frames_to_seconds(1),
        }
        wrong += [f"{case.dub}: {fault}" for fault, is_so in faults.items() if is_so][:1]
    expected = f"videos or sound files of {float(frames_to_seconds(1)):g} s or more"
    _refuse(wrong, path, ("dub cannot be measured", "dubs cannot be measured"), expected, error=MediaError)


def _case(row: dict[str, Any], root: Path, needs: set[str]) -> CaseFiles:
    """Return a line's case. Raises ValueError saying what is wrong with it."""
    unknown = sorted(row.keys() - {*_FIELDS, *_OF_BENCH})
    if unknown:
        raise ValueError(f"it has {', '.join(unknown)}, which is none of {', '.join(_FIELDS)}")
    given = {name: value for name, value in row.items() if value is not None}
    if type(given.get("id")) is int:  # what people write
        given["id"] = str(given["id"])
    others = given.pop(_OTHERS, None) or []
    if not isinstance(others, list) or not all(isinstance(one, str) and one.strip() for one in others):
        raise ValueError(f"{_OTHERS} is no list of texts")
    if plain := [name for name, value in given.items() if not isinstance(value, str)]:
        raise ValueError(f"{plain[0]} is no text")
    lacking = [name for name in _FIELDS if name in needs and name not in given]
    lacking += [name for name in ("id", *FILES, "reference_text") if name in given and not given[name].strip()]
    if lacking:
        raise ValueError(f"it has no {', no '.join(lacking)}")
    files = {name: root / given[name] for name in FILES if name in given}
    files.setdefault("dub", files.get("source", root))
    text = " ".join(given.get("reference_text", "").split())
    return CaseFiles(**{**given, **files, "reference_text": text}, other_texts=tuple(" ".join(one.split()) for one in others))


def _refuse(
    wrong: Sequence[str],
    path: Path,
    what: tuple[str, str],
    expected: str,
    hint: str | None = None,
    error: type[InputError] = InputError,
) -> None:
    """Raise one error for all that is wrong; nothing for nothing. what: of one, and of several."""
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise error(several(len(wrong), *what), path=path, expected=expected, found="; ".join(wrong[:_NAMED]) + more, hint=hint)
