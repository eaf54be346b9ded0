"""The cases of an evaluation suite: files of dubs, sources and references.

    {"id": "t1", "source": "t1.mp4", "dub": "t1_ko.mp4", "reference_text": "...", "reference": "t1_ko.wav", "speaker": "ann"}

Everything is checked before any work, and all faults of one kind are reported at once. Paths start from the manifest's folder.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
SUBJECTS: Mapping[str, tuple[str, str]] = {
    DUBBED: ("dub", "What was made, clip by clip."),
    ITSELF: (
        "source itself",
        "The source in the place of the dub: what a dub of perfect voice, lips and time would have, and wrong words.",
    ),
    SHUFFLED: (
        "shuffled pairs",
        "The sound of another clip's dub under each frame: what a figure is worth that anything can have.",
    ),
    TRUTH: ("true speech", "The reference in the place of the dub. Its error rates are the recognizer's own."),
}
"""What stands in the dub's place, in the order of columns: its title, and what its figures are. In a bench these are programs."""
BASELINES = frozenset(SUBJECTS) - {DUBBED}
FILES = ("source", "dub", "reference", "report", "subtitles")
"""Fields of a line that name files."""
_OTHERS = "other_texts"
_FIELDS = ("id", *FILES[:-1], "reference_text", _OTHERS, "speaker", "language", "group")
_NAMED = 20
"""Number of complaints of one kind that are named one by one."""
_OF_BENCH = ("id", "source", "reference_text", _OTHERS, "subtitles")
_FORM = '{"id": ..., "source": ..., "dub": ..., "reference_text": ...}'


@dataclass(frozen=True)
class CaseFiles:
    """A line of a manifest. A file that is None does not exist; an empty text is not known."""

    id: str
    dub: Path
    """what was made; in a bench, whose manifest names no dub, the source"""
    source: Path | None = None
    """what it was made from"""
    reference: Path | None = None
    """reference speech, or a video of it"""
    reference_text: str = ""
    """what should be spoken"""
    speaker: str = ""
    """name of the person whose voice the dub should have"""
    language: str = ""
    """of the dub, two letters"""
    report: Path | None = None
    """JSON of `netflips dub --report`"""
    group: str = ""
    """part of the table to which it belongs"""
    other_texts: tuple[str, ...] = ()
    """other texts that are as right as the reference text"""
    subtitles: Path | None = None
    """in a bench: what a dub should say, and when"""
    dubs: Mapping[str, Path] = field(default_factory=dict)
    """in a bench: what each program made of the source, by subject"""

    @property
    def files(self) -> dict[str, Path]:
        """The files of the case, by field."""
        found = {name: getattr(self, name) for name in FILES if name != "dub" or self.dub != self.source}
        return {name: path for name, path in found.items() if path is not None}

    def wanted(self, found: str) -> str:
        """Return the right text to compare a found one with: of several the nearest, by the share of wrong characters."""
        return nearest((self.reference_text, *self.other_texts), found)

    def standing(self, subject: str) -> Path | None:
        """Return the file whose frames stand in the dub's place; None where there is none."""
        return {DUBBED: self.dub, SHUFFLED: self.dub, ITSELF: self.source, TRUTH: self.reference, **self.dubs}.get(subject)

    def report_of(self, dub: Path) -> Path | None:
        """Return the report of one of the case's dubs; in a bench, the JSON file beside it."""
        beside = dub.with_suffix(".json")
        return beside if self.dubs and beside.is_file() else self.report


def nearest(texts: Sequence[str], found: str) -> str:
    """Return the text from which a found one differs in the smallest share of characters; the first of equals."""
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

    needs: fields that each line must have, beside id and dub. language: of lines without one. form: of a line, in words. of_bench:
    lines name no dub, and may have more fields. Raises InputError for the first kind of fault that is found, with all lines that
    have it: wrong form, doubled ids, mixed languages, missing files.
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
    """Check cases against one another and the disk; returns them with their language.

    cases: by the place where each was read; path: the file of these places. Raises InputError as `read_cases` does.
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
    """Raise MediaError that names all dubs that cannot be measured: they cannot be decoded, or are shorter than a frame."""
    wrong = []
    for dub in (dub for case in cases for dub in case.dubs.values() or [case.dub]):
        try:
            info = probe(dub)
        except NetflipsError as error:
            wrong.append(str(error))
            continue

        faults = {
            "neither sound nor video": not info.has_audio and not info.has_video,
            f"a still image ({info.still})": info.still,
            f"{float(info.duration_s):.3f} s, shorter than a frame": info.duration_s < frames_to_seconds(1),
        }
        wrong += [f"{dub}: {fault}" for fault, is_so in faults.items() if is_so][:1]
    expected = f"videos or sound files of {float(frames_to_seconds(1)):g} s or more"
    _refuse(wrong, path, ("dub cannot be measured", "dubs cannot be measured"), expected, error=MediaError)


def _case(row: dict[str, Any], root: Path, needs: set[str]) -> CaseFiles:
    """Return the case of a line. Raises ValueError that says what is wrong with it."""
    unknown = sorted(row.keys() - {*_FIELDS, *_OF_BENCH})
    if unknown:
        raise ValueError(f"it has {', '.join(unknown)}, which is none of {', '.join(_FIELDS)}")

    given = {name: value for name, value in row.items() if value is not None}
    if type(given.get("id")) is int:  # people write whole numbers as ids
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
    """Raise one error for all faults; does nothing without any. what: the message for one fault, and for several."""
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise error(several(len(wrong), *what), path=path, expected=expected, found="; ".join(wrong[:_NAMED]) + more, hint=hint)
