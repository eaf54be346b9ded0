"""The models that come with NetfLips: one folder of package data, used where a command is given no checkpoint.

The folder holds a checkpoint of each stage that a bundle needs, optional checkpoints of other stages, `references.jsonl` (units of
every sentence it knows, in the target language) and `bundle.json`, which describes it: origin, domain, quality, checksums. The
variable NETFLIPS_BUNDLE names another such folder; empty means none.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from avcore.checkpoints.stages import SUFFIX, Stage, shipped_bundle, stages
from avcore.errors import CheckpointError, LanguageError, Message, UsageError
from avcore.files import require_file
from avcore.notes import is_first
from avcore.texts import read_json
from avcore.units import meant_language, normalise_language

LOG = logging.getLogger("netflips")

FORMAT = "netflips-bundle-1"
VARIABLE = "NETFLIPS_BUNDLE"
ABOUT, REFERENCES = "bundle.json", "references.jsonl"
_SHORT = 12
"""Digits of a commit that are shown."""
_FIGURES = ("least", "share", "samples")
_WHERE_FROM = "netflips models list names some"


@dataclass(frozen=True)
class Bundle:
    """A folder of models that belong together."""

    folder: Path
    about: Mapping[str, Any]
    """the content of its bundle.json"""

    def checkpoint(self, stage: Stage, language: str = "") -> Path:
        """Return where a stage's model is, or would be. language: for a stage that has one file for each language."""
        return self.folder / stage.file_for(language)

    @property
    def models(self) -> "tuple[PackedModel, ...]":
        """Its models: those that every bundle needs, and the optional ones that are there."""
        others = (packed_as(path.name) for path in sorted(self.folder.iterdir())) if self.folder.is_dir() else ()
        optional = (one for one in others if one is not None and one.stage.place == "optional")
        return (*map(PackedModel, needed_stages()), *optional)

    @property
    def references(self) -> Path:
        """Units of every sentence it knows, JSON lines as `avcore.data.unit_store` reads them."""
        return self.folder / REFERENCES

    @property
    def languages(self) -> tuple[str, str] | None:
        """Source and target language that it was trained for; None = not stated."""
        source, target = self.about.get("source"), self.about.get("target")
        if not (isinstance(source, str) and isinstance(target, str)):
            return None
        return normalise_language(source), normalise_language(target)

    def report_use(self, understands: bool = True) -> None:
        """Log once per command that its models are used, in one short line; in full with --verbose.

        understands: its models are to understand speech, of which they know little. Otherwise they only speak, or draw.
        """
        LOG.debug("models: %s", self.describe())
        if is_first("models", str(self.folder)):
            knows = f", which knows only {str(self.about['domain']).partition(' (')[0]}" if understands else ""
            LOG.info("models: %s%s", self.about["name"], knows)

    def describe(self) -> str:
        """Return its name, origin and domain in one line."""
        made = self.about.get("made") or {}
        words = (("date", "made on"), ("commit", "from commit"))
        origin = " ".join(f"{word} {str(made[name])[:_SHORT]}" for name, word in words if made.get(name))
        return f"{self.about['name']} ({', '.join(filter(None, (str(self.folder), origin)))}): it knows only {self.about['domain']}"


class PackedModel(NamedTuple):
    """A model of a bundle."""

    stage: Stage
    language: str = ""
    """for a stage that has one file for each language; "" otherwise"""

    @property
    def file(self) -> str:
        """Its file's name in the bundle."""
        return self.stage.file_for(self.language)

    @property
    def part(self) -> str:
        """Its name in options and messages: `unit-encoder`, `text-to-unit.ko`."""
        return self.stage.part_for(self.language)


def needed_stages() -> tuple[Stage, ...]:
    """Return the stages of which every bundle needs a model."""
    return tuple(stage for stage in stages() if stage.place == "needed")


def packed_as(file: str) -> PackedModel | None:
    """Return the model that a file's name stands for in a bundle; None for another file."""
    named = ((stage, stage.language_of(file)) for stage in stages() if stage.place != "no")
    return next((PackedModel(stage, language) for stage, language in named if language is not None), None)


def packed_part(part: str) -> PackedModel | None:
    """Return the model of a bundle that goes by this name in options; None where no stage has it."""
    return packed_as(f"{part.replace('-', '_')}{SUFFIX}")


def find_bundle() -> Bundle | None:
    """Return the models that come with NetfLips, or those that NETFLIPS_BUNDLE names; None where there are none.

    Raises InputError or CheckpointError when the variable does not name a bundle.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return read_bundle(named) if named else None
    shipped = shipped_bundle()
    return read_bundle(shipped) if shipped is not None and (shipped / ABOUT).is_file() else None


def shipped_files() -> dict[str, list[Path]]:
    """Return the files of the folder that `find_bundle` reads, so that commands do not overwrite them; they are not opened."""
    folder = Path(named) if (named := os.environ.get(VARIABLE)) else shipped_bundle()
    return {"a file of the bundle": sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []}


def read_bundle(folder: str | Path) -> Bundle:
    """Read a bundle's description. Raises InputError or CheckpointError when the folder is no bundle."""
    path = Path(folder) / ABOUT
    about = read_json(path, "the bundle's description", CheckpointError, hint=f"a bundle is a folder with {ABOUT}")
    try:
        known = about["format"], about["name"], about["domain"]
    except (KeyError, TypeError) as error:
        raise CheckpointError("this describes no bundle", path=path, expected="format, name, domain", found=error) from error

    # Nested parts of the description are checked here, because messages read them.
    made, files, domain = (about.get(name) or {} for name in ("made", "files", "out_of_domain"))
    spent = made.get("seconds") or {} if isinstance(made, Mapping) else {}
    are_objects = all(isinstance(part, Mapping) for part in (made, files, domain, spent))
    are_rows = are_objects and all(isinstance(row, Mapping) for part in (files, domain) for row in part.values())
    numbers = (
        [*spent.values(), *(value for row in domain.values() for name, value in row.items() if name in _FIGURES)]
        if are_rows
        else []
    )
    if not are_rows or not all(isinstance(number, int | float | None) for number in numbers):
        raise CheckpointError("this describes no bundle", path=path, expected="made, files and out_of_domain as it was packed")

    if known[0] != FORMAT:
        raise CheckpointError("unknown format of bundle", path=path, expected=FORMAT, found=known[0], hint="update NetfLips")
    return Bundle(Path(folder), about)


def bundle_of(checkpoint: Path) -> Bundle | None:
    """Return the bundle that a checkpoint belongs to; None = to none."""
    return read_bundle(checkpoint.parent) if (checkpoint.parent / ABOUT).is_file() else None


def learnt_languages(checkpoint: Path, source: str | None, target: str | None) -> tuple[str | None, str | None]:
    """Return source and target language to use with a checkpoint: those given, else those of its bundle.

    None = not given, for arguments and results. Raises LanguageError for languages that the bundle was not trained for; its models
    would accept them, because they have rows for more languages.
    """
    bundle = bundle_of(checkpoint)
    learnt = None if bundle is None else bundle.languages
    if bundle is None or learnt is None:
        return source, target

    for given, known, what in ((source, learnt[0], "from"), (target, learnt[1], "into")):
        if given is not None and normalise_language(given) != known:
            raise LanguageError(
                f"{bundle.about['name']} translates from {learnt[0]} into {learnt[1]} only",
                expected=f"{what} {known}",
                found=given,
                hint=meant_language(given, [known]) or f"for other languages give checkpoints ({_WHERE_FROM})",
            )

    return learnt


def checkpoints_or_bundle(given: Mapping[Stage, Path | None]) -> dict[Stage, Path]:
    """Return the checkpoints of a command: those that were given, or if none was, those of the bundle (logged in one line).

    Models of different origin do not fit each other's units, so some given checkpoints are never completed from the bundle.
    Raises UsageError when only some are given, or when none is and there is no bundle.
    """
    named = {stage: path for stage, path in given.items() if path is not None}
    if len(named) == len(given):
        return named

    missing = ", ".join(stage.flag for stage in given if stage not in named)
    bundle = find_bundle()
    if named:
        others = ", or none of them for the models that come with NetfLips" if bundle else ""
        raise UsageError(f"models are given together; missing: {missing}", hint=f"give all of them{others} ({_WHERE_FROM})")
    if bundle is None:
        raise UsageError(Message("missing: {flags}", flags=missing), hint=f"no models come with this installation; {_WHERE_FROM}")
    _, translator, renderer = needed_stages()
    bundle.report_use(translator in given or renderer not in given)
    return {stage: require_file(bundle.checkpoint(stage), f"the bundle's {stage.kind}") for stage in given}


def checkpoint_or_bundle(path: Path | None, stage: Stage) -> Path:
    """Return the checkpoint of a command that takes a single one (see `checkpoints_or_bundle`)."""
    return checkpoints_or_bundle({stage: path})[stage]


def optional_or_bundle(given: Path | None, stage: Stage, language: str = "") -> Path:
    """Return the checkpoint of an optional stage: the one that was given, else the bundle's for the language.

    Raises InputError where the given file does not exist, UsageError where there is neither.
    """
    if given is not None:
        return require_file(given, f"the {stage.kind}")
    bundle = find_bundle()
    found = None if bundle is None else bundle.checkpoint(stage, language)
    if found is None or not found.is_file():
        where = "this installation" if bundle is None else str(bundle.about["name"])
        raise UsageError(f"no {stage.kind} comes with {where}", expected=f"{stage.flag} FILE", hint=_WHERE_FROM)
    return found
