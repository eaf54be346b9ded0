"""`netflips models list | get | add | check | path`: models that others publish, downloaded once and found by name afterwards."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from os.path import realpath
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import HUB_WEIGHTS
from avcore.flags import Command, Commands, QuietOptions, flag, positional
from avcore.loading import loading
from avcore.notes import json_text, print_text, shown
from avcore.progress import bars
from netflips.commands.info import flag_of, model_facts
from netflips.published.catalogue import NAME, Model, ModelFile, catalogue
from netflips.published.fetch import Fetcher
from netflips.published.store import (
    Kept,
    all_kept,
    clear_partial,
    kept,
    models_folder,
    note_down,
    noted,
    only_one,
    partial_folder,
)
from netflips.published.terms import Terms, may_be_sold
from netflips.published.unpack import ARCHIVES, Inside, copy, files_in, require_room

_ALL = "all"
_MEGA = 1_000_000
_PART = re.compile(r"(.+)\.part(\d{1,6})", re.ASCII)
_WIDTH = 24
_ACCEPT = f"accept a licence without being asked: its name in the list, or {_ALL}"


@dataclass(frozen=True, kw_only=True)
class ListOptions(QuietOptions):
    """List the models: flag, size, licence, and whether they are downloaded."""

    json: bool = flag(default=False)
    """print JSON"""


@dataclass(frozen=True, kw_only=True)
class KeepOptions(QuietOptions):
    """Keep models."""

    accept_licence: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="LICENCE", help=_ACCEPT)
    replace: bool = flag(default=False)
    """take another content than was noted before"""


@dataclass(frozen=True, kw_only=True)
class GetOptions(KeepOptions):
    """Download models or a set of them and check them."""

    names: tuple[str, ...] = positional("NAME")
    """of a model or a set, as netflips models list has it"""
    latest: bool = flag(default=False)
    """take the newest files of a repository, not the listed commit's"""


@dataclass(frozen=True, kw_only=True)
class AddOptions(KeepOptions):
    """Add a model that you downloaded by hand."""

    files: tuple[Path, ...] = positional("FILE")
    """its file, folder or zip, or its parts (x.part1 x.part2)"""
    name: str = flag("--as", metavar="NAME")
    """of the list, or a name of one's own"""


@dataclass(frozen=True, kw_only=True)
class PublishedCheckOptions(QuietOptions):
    """Read all files again and compare their checksums."""

    names: tuple[str, ...] = positional("NAME", default=(), nargs="*")
    """default: all that are here"""


@dataclass(frozen=True, kw_only=True)
class PathOptions(QuietOptions):
    """Print where a model is."""

    name: str = positional("NAME")
    """of a model that is here"""


def _list(options: ListOptions) -> None:
    if options.json:
        print_text(json_text({"folder": str(models_folder()), "models": facts_of_all()}, indent=1))
        return

    listed, here, lines = catalogue(), {one.name: one for one in all_kept()}, list[str]()
    for name, one in listed.sets.items():
        models = listed.named(one.models)
        terms = (Terms(model.flag, model.main or model.name, model.licence.title, model.licence.commercial) for model in models)
        lines.append(f"{name:<{_WIDTH}}{one.about}: {', '.join(one.models)}; may be sold: {may_be_sold(terms)}")

    flag = ""
    for model in listed.models.values():
        if model.flag != flag:
            flag = model.flag
            lines += ["", flag]
        mark = "*" if model.name in here else " "
        languages = f"{model.languages} languages" if model.languages.isdigit() else model.languages
        lines.append(f"{mark} {model.name:<{_WIDTH - 2}}{model.size:>9}  {model.about}; {languages}; {model.licence.key}")

    if own := [one for one in here.values() if one.name not in listed.models]:
        lines += ["", "added by hand", *(f"* {one.name:<{_WIDTH - 2}}{'':>9}  {one.flag}" for one in own)]

    lines.append("")
    for licence in dict.fromkeys(model.licence for model in listed.models.values()):
        lines.append(f"{licence.key:<{_WIDTH}}{licence.title}: {licence.allows}; may be sold: {licence.commercial}")
    print_text("\n".join(map(shown, [*lines, f"* = here, in {models_folder()}"])))


def facts_of_all() -> list[dict[str, Any]]:
    """Return the facts about each model of the list, and whether it is downloaded."""
    here = {one.name for one in all_kept()}
    return [
        {
            "name": model.name, "flag": model.flag, "about": model.about, "languages": model.languages,
            "megabytes": model.megabytes, "licence": model.licence.key, "title": model.licence.title,
            "allows": model.licence.allows, "commercial": model.licence.commercial,
            "from": [str(source) for source in model.sources], "is_here": model.name in here,
        }
        for model in catalogue().models.values()
    ]  # fmt: skip


def get(options: GetOptions) -> dict[str, Path]:
    """Download the models that are missing; returns the path of each. Raises NetflipsError."""
    listed = catalogue()
    models, missing = listed.named(options.names), list[Model]()
    for model in models:
        found = kept(model.name)
        if options.replace or found is None or found.damage(is_thorough=True):
            missing.append(model)
        else:
            LOG.info("%s is here: %s", model.name, found.folder)

    if missing:
        _accept(missing, options.accept_licence)
        with bars(options.quiet) as progress:
            fetcher = Fetcher(listed.hosts, progress, is_latest=options.latest)
            work = [(model, fetcher.wanted(model, _noted_files(model.name, options))) for model in missing]
            # Asked for all models together, so that a full disk shows before the first byte.
            require_room(models_folder(), sum(_left(model, wanted) for model, wanted in work))
            for model, wanted in work:
                _fetch(fetcher, model, wanted)

    return {one.name: _here(one.name).path for one in models}


def _get(options: GetOptions) -> None:
    get(options)


def _noted_files(name: str, options: KeepOptions) -> dict[str, Any]:
    """Return what was noted of a model's files, which may be gone: their content must stay the same."""
    note = None if options.replace else noted(name)
    return {} if note is None else dict(note.files)


def _left(model: Model, wanted: Sequence[ModelFile]) -> int:
    """Return the bytes that are still to be downloaded, as far as the list or the host states them."""
    known = [file.size for file in wanted if file.size is not None]
    total = sum(known) if len(known) == len(wanted) else max(round((model.megabytes or 0) * _MEGA), sum(known))
    folder = partial_folder(model.name)
    return max(0, total - sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else total)


def _fetch(fetcher: Fetcher, model: Model, wanted: Sequence[ModelFile]) -> None:
    with only_one(model.name) as folder:
        came = {file.name: fetcher.fetch(file, folder) for file in wanted}

        # What is left of earlier tries would be noted as part of the model.
        for path in folder.iterdir():
            if path.name not in came:
                path.unlink()

        commits = {source.hub: fetcher.commits[source.hub] for source in model.sources if source.hub in fetcher.commits}
        try:
            _keep(model.name, folder, _facts(model, folder, sorted(set(filter(None, came.values()))), commits))
        except InputError:
            clear_partial(model.name)
            raise


def _facts(model: Model, folder: Path, places: Sequence[str], commits: dict[str, str]) -> dict[str, Any]:
    """Read a model as its flag would, and return what is noted of it. Raises InputError or CheckpointError."""
    if model.main and (words := model.not_this.get((folder / model.main).stat().st_size)):
        raise InputError(f"this is {words}", path=model.main, hint="two models are published under one name")
    model_facts(folder / model.main, model.flag)
    facts = {"flag": model.flag, "main": model.main, "from": list(places), "commits": commits}
    return facts | {"licence": model.licence.title, "accepted": date.today().isoformat()}


def _keep(name: str, folder: Path, facts: dict[str, Any]) -> None:
    done = note_down(name, folder, facts)
    LOG.info("%s: checked and kept as %s; give it as %s %s", name, done.path, done.flag, name)


def _accept(models: Sequence[Model], accepted: Sequence[str]) -> None:
    """Ask for the licences to be accepted: those that forbid something one by one, the others at once. Raises UsageError where one
    is not accepted."""
    given = {key for text in accepted for key in text.split(",")}
    known = [_ALL, *dict.fromkeys(model.licence.key for model in catalogue().models.values())]
    if odd := sorted(given - set(known)):
        raise UsageError("no such licence", expected=", ".join(known), found=", ".join(odd))
    for model in models:
        LOG.info("%s: %s; %s; %s", model.name, model.size, model.licence.title, model.licence.allows)

    asked = [licence for licence in dict.fromkeys(model.licence for model in models) if not given & {licence.key, _ALL}]
    if asked and (sys.stdin is None or not sys.stdin.isatty()):
        needed = " ".join(f"--accept-licence {licence.key}" for licence in asked)
        raise UsageError("the licences were not accepted", expected=needed, hint="netflips models list says what they allow")

    groups = [[licence for licence in asked if not licence.asks], *([licence] for licence in asked if licence.asks)]
    for group in filter(None, groups):
        which = " and ".join(f"{licence.title} ({licence.allows})" for licence in group)
        names = ", ".join(model.name for model in models if model.licence in group)
        sys.stderr.write(f"Accept {shown(which)} for {names}? [y/N] ")
        sys.stderr.flush()
        # ㅛ is where y is on a Korean keyboard.
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "ㅛ", "예", "네"):
            raise UsageError(
                "the licence was not accepted", found=", ".join(licence.key for licence in group), hint="nothing was fetched"
            )


def _add(options: AddOptions) -> None:
    listed = catalogue()
    if not NAME.fullmatch(options.name) or options.name in listed.sets:
        raise UsageError("this is no name for a model", expected="small letters, digits, '.', '-' and '_'", found=options.name)
    place = Path(realpath(partial_folder(options.name)))
    if inside := next((path for path in options.files if Path(realpath(path)).is_relative_to(place)), None):
        raise InputError("the model's own unfinished folder cannot be added", path=inside, hint="copy its files elsewhere")

    model, before = listed.models.get(options.name), _noted_files(options.name, options)
    if model is not None:
        _accept([model], options.accept_licence)

    with only_one(options.name) as folder, bars(options.quiet) as progress:
        clear_partial(options.name)
        folder.mkdir()
        try:
            found = _whole_files(options.files, model)
            require_room(folder, sum(part.size for parts in found.values() for part in parts))
            for name, parts in found.items():
                copy(parts, folder / name)
                progress(name, sum(part.size for part in parts) // _MEGA, None)
                _require_known(folder / name, model, before.get(name, {}))

            if model is not None:
                facts = _facts(model, folder, ["by hand"], {})
            else:
                only = _only_model(folder)
                facts = {"flag": flag_of(only), "main": only.name if only != folder else "", "from": ["by hand"]}
                model_facts(only, facts["flag"])
            _keep(options.name, folder, facts)
        finally:
            clear_partial(options.name)


def _require_known(path: Path, model: Model | None, before: dict[str, Any]) -> None:
    """Raise InputError for a file with another content than that of the list, or than was noted before."""
    file = next((one for one in (model.files if model else ()) if path.match(one.name)), None) or ModelFile(path.name, ())
    digest = file.sha256
    if wrong := replace(file, size=file.size or before.get("bytes"), sha256=digest or before.get("sha256")).wrong(path):
        hint = "--replace takes it all the same" if before and not digest else "get the file again"
        raise InputError("this is another file", path=path.name, expected=wrong[0], found=wrong[1], hint=hint)


def _only_model(folder: Path) -> Path:
    """Return the model in an added folder: its only file, the weights of a folder for a hub, or the whole folder."""
    with loading():
        from netflips.published.folder import is_model_folder

    if is_model_folder(folder):
        return folder / HUB_WEIGHTS
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 else folder


def _whole_files(paths: Sequence[Path], model: Model | None) -> dict[str, list[Inside]]:
    """Return the given files of a model by name, each as its parts in their order. Raises InputError where some are missing."""
    given = dict[str, dict[int, Inside]]()
    is_alone = model is not None and len(model.files) == len(paths) == 1 and paths[0].suffix not in ARCHIVES and paths[0].is_file()
    for one in files_in(paths):
        whole, number = (match[1], int(match[2])) if (match := _PART.fullmatch(one.name)) else (one.name, 0)
        if model is not None and is_alone:
            whole = model.main
        if model is None or any(Path(whole).match(file.name) for file in model.files):
            parts = given.setdefault(whole, {})
            if number in parts:
                raise InputError("parts are missing or there twice", path=whole, found=one.name)
            parts[number] = one

    needed = [] if model is None else [one.name for one in model.files if not one.is_optional]
    missing = [name for name in needed if not any(Path(one).match(name) for one in given)]
    if missing or not given:
        expected = ", ".join(missing) or "files"
        raise InputError("the model is not complete", path=paths[0], expected=expected, found="none of this name")

    for name, parts in given.items():
        if (numbers := sorted(parts)) not in (list(range(1, len(parts) + 1)), list(range(len(parts)))):
            raise InputError("parts are missing or there twice", path=name, found=", ".join(f"part{one}" for one in numbers))
    return {name: [parts[number] for number in sorted(parts)] for name, parts in given.items()}


def _check(options: PublishedCheckOptions) -> int:
    found = [_here(name) for name in options.names] or all_kept()
    if not found:
        LOG.info("no models are here: %s", models_folder())

    failed = 0
    for one in found:
        wrong = one.damage(is_thorough=True)
        failed += bool(wrong)
        print_text(f"{one.name}: {shown(wrong) or 'as it was noted'}")
    return 1 if failed else 0


def _here(name: str) -> Kept:
    found = kept(name) if NAME.fullmatch(name) else None
    if found is None:
        catalogue().named([name])
        raise UsageError(f"{name} is not here yet", hint=f"run: netflips models get {name}")
    return found


_COMMANDS = Commands(
    "netflips models",
    "Download published models and find them by name.",
    {
        "list": Command(ListOptions, "netflips models list", _list),
        "get": Command(GetOptions, "netflips models get", _get),
        "add": Command(AddOptions, "netflips models add", _add),
        "check": Command(PublishedCheckOptions, "netflips models check", _check),
        "path": Command(PathOptions, "netflips models path", lambda one: print_text(str(_here(one.name).undamaged()))),
    },
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main

if __name__ == "__main__":
    sys.exit(main())
