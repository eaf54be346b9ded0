"""`netflips models list | get | add | check | path`: models that others publish, downloaded once and found by name afterwards."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from os.path import realpath
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

from avcore.command import LOG
from avcore.errors import InputError, OutputError, UsageError, reason
from avcore.files import HUB_WEIGHTS, require_file
from avcore.flags import Command, Commands, QuietOptions, flag, positional
from avcore.loading import loading
from avcore.notes import json_text, print_text, shown
from avcore.progress import Progress, bars
from netflips.info import flag_of, model_facts
from netflips.published.catalogue import NAME, Catalogue, Licence, Model, ModelFile, catalogue
from netflips.published.fetch import BAD_ZIP, Fetcher, Wanted, require_room
from netflips.published.store import (
    Kept,
    all_kept,
    clear_partial,
    kept,
    models_folder,
    note_down,
    only_one,
    partial_folder,
    require_undamaged,
)
from netflips.published.terms import Terms, may_be_sold

_ALL = "all"
_MEGA = 1_000_000
_PART = re.compile(r"(.+)\.part(\d{1,6})", re.ASCII)
_ARCHIVES = (".zip", ".whl")
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
    print_text("\n".join(map(shown, _lines(catalogue(), {one.name: one for one in all_kept()}))))


def facts_of_all() -> list[dict[str, Any]]:
    """Return the facts about each model of the list, and whether it is downloaded."""
    here = {one.name for one in all_kept()}
    return [
        {
            "name": model.name, "flag": model.flag, "about": model.about, "languages": model.languages,
            "megabytes": model.megabytes, "licence": model.licence.key, "title": model.licence.title,
            "allows": model.licence.allows, "commercial": model.licence.commercial,
            "from": [str(one) for one in model.sources], "is_here": model.name in here,
        }
        for model in catalogue().models.values()
    ]  # fmt: skip


def _lines(listed: Catalogue, here: dict[str, Kept]) -> Iterator[str]:
    for name, (about, parts) in listed.sets.items():
        models = listed.named(parts)
        terms = (Terms(one.flag, one.main or one.name, one.licence.title, one.licence.commercial) for one in models)
        yield f"{name:<{_WIDTH}}{about}: {', '.join(parts)}; may be sold: {may_be_sold(terms)}"

    flag = ""
    for model in listed.models.values():
        if model.flag != flag:
            flag = model.flag
            yield from ("", flag)
        mark = "*" if model.name in here else " "
        languages = f"{model.languages} languages" if model.languages.isdigit() else model.languages
        yield f"{mark} {model.name:<{_WIDTH - 2}}{_size(model):>9}  {model.about}; {languages}; {model.licence.key}"

    own = [one for one in here.values() if one.name not in listed.models]
    if own:
        yield from ("", "added by hand")
        yield from (f"* {one.name:<{_WIDTH - 2}}{'':>9}  {one.note['flag']}" for one in own)

    yield ""
    for one in _licences(listed.models.values()):
        yield f"{one.key:<{_WIDTH}}{one.title}: {one.allows}; may be sold: {one.commercial}"
    yield f"* = here, in {models_folder()}"


def _size(model: Model) -> str:
    return "? MB" if model.megabytes is None else f"{model.megabytes:,.0f} MB"


def _licences(models: Any) -> list[Licence]:
    return list({one.licence.key: one.licence for one in models}.values())


def get(options: GetOptions) -> dict[str, Path]:
    """Download the models that are missing; returns the path of each. Raises NetflipsError."""
    listed = catalogue()
    models = listed.named(options.names)
    missing = list[Model]()
    for model in models:
        found = kept(model.name)
        if options.replace or found is None or not found.is_there or found.damage(is_thorough=True):
            missing.append(model)
        else:
            LOG.info("%s is here: %s", model.name, found.folder)

    if missing:
        _accept(missing, options.accept_licence)
        with bars(options.quiet) as progress:
            fetcher = Fetcher(listed.hosts, progress, is_latest=options.latest)
            work = [(model, fetcher.wanted(model, {} if options.replace else _noted(model.name))) for model in missing]
            # Asked for all models together, so that a full disk shows before the first byte.
            require_room(models_folder(), sum(_left(model, wanted) for model, wanted in work))
            for model, wanted in work:
                done = _fetch(fetcher, model, wanted)
                LOG.info("%s: checked and kept as %s; give it as %s %s", model.name, done.path, model.flag, model.name)

    return {one.name: _here(one.name).path for one in models}


def _get(options: GetOptions) -> None:
    get(options)


def _noted(name: str) -> dict[str, Any]:
    found = kept(name)
    return {} if found is None else dict(found.files)


def _left(model: Model, wanted: Sequence[Wanted]) -> int:
    """Return the bytes that are still to be downloaded, as far as the list or the host states them."""
    known = [one.size for one in wanted if one.size is not None]
    total = sum(known) if len(known) == len(wanted) else max(round((model.megabytes or 0) * _MEGA), sum(known))
    folder = partial_folder(model.name)
    return max(0, total - sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else total)


def _fetch(fetcher: Fetcher, model: Model, wanted: Sequence[Wanted]) -> Kept:
    with only_one(model.name) as folder:
        came = {one.name: fetcher.fetch(one, folder) for one in wanted}
        names = [one.name for one in wanted]

        # What is left of earlier tries would be noted as part of the model.
        for path in folder.iterdir():
            if path.name not in names:
                path.unlink()

        try:
            _require_model(model, folder)
        except InputError:
            clear_partial(model.name)
            raise

        commits = {one.at: fetcher.commits[one.at] for one in model.sources if one.at in fetcher.commits}
        return note_down(model.name, folder, _note(model, sorted({place for place in came.values() if place}), commits))


def _require_model(model: Model, folder: Path) -> None:
    """Read a model as its flag would. Raises InputError or CheckpointError."""
    if model.main and (words := model.not_this.get((folder / model.main).stat().st_size)):
        raise InputError(f"this is {words}", path=model.main, hint="two models are published under one name")
    model_facts(folder / model.main if model.main else folder, model.flag)


def _note(model: Model, places: Sequence[str], commits: dict[str, str]) -> dict[str, Any]:
    facts = {"flag": model.flag, "main": model.main, "from": list(places), "commits": commits}
    return facts | {"licence": model.licence.title, "accepted": date.today().isoformat()}


def _accept(models: Sequence[Model], accepted: Sequence[str]) -> None:
    """Ask for the licences to be accepted: those that forbid something one by one, the others at once. Raises UsageError where one
    is not accepted."""
    given = {key for text in accepted for key in text.split(",")}
    known = [_ALL, *(one.key for one in _licences(catalogue().models.values()))]
    if odd := sorted(given - set(known)):
        raise UsageError("no such licence", expected=", ".join(known), found=", ".join(odd))

    licences = [one for one in _licences(models) if not given & {one.key, _ALL}]
    asked = [[one] for one in licences if one.asks]
    if free := [one for one in licences if not one.asks]:
        asked.insert(0, free)
    can_ask = sys.stdin is not None and sys.stdin.isatty()

    for model in models:
        LOG.info("%s: %s; %s; %s", model.name, _size(model), model.licence.title, model.licence.allows)
    if asked and not can_ask:
        needed = " ".join(f"--accept-licence {one.key}" for one in licences)
        raise UsageError("the licences were not accepted", expected=needed, hint="netflips models list says what they allow")

    for group in asked:
        which = " and ".join(f"{one.title} ({one.allows})" for one in group)
        names = ", ".join(model.name for model in models if model.licence in group)
        sys.stderr.write(f"Accept {shown(which)} for {names}? [y/N] ")
        sys.stderr.flush()
        # ㅛ is where y is on a Korean keyboard.
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "ㅛ", "예", "네"):
            raise UsageError("the licence was not accepted", found=", ".join(one.key for one in group), hint="nothing was fetched")


def _add(options: AddOptions) -> None:
    listed = catalogue()
    if not NAME.fullmatch(options.name) or options.name in listed.sets:
        raise UsageError("this is no name for a model", expected="small letters, digits, '.', '-' and '_'", found=options.name)

    model = listed.models.get(options.name)
    noted = {} if options.replace else _noted(options.name)
    place, given = Path(realpath(partial_folder(options.name))), {path: Path(realpath(path)) for path in options.files}
    if inside := next((path for path, real in given.items() if place in (real, *real.parents)), None):
        raise InputError("the model's own unfinished folder cannot be added", path=inside, hint="copy its files elsewhere")

    if model is not None:
        _accept([model], options.accept_licence)

    with only_one(options.name) as folder, bars(options.quiet) as progress:
        clear_partial(options.name)
        folder.mkdir()
        try:
            _gather(options.files, model, folder, progress)
            for path in folder.iterdir():
                # InputError where the content is not the known one
                file = next((one for one in (model.files if model else ()) if path.match(one.name)), ModelFile(path.name))
                known = noted.get(path.name, {})
                wrong = Wanted(path.name, (), file.size or known.get("bytes"), file.sha256 or known.get("sha256")).wrong(path)
                if wrong:
                    hint = "--replace takes it all the same" if known and not file.sha256 else "get the file again"
                    raise InputError("this is another file", path=path.name, expected=wrong[0], found=wrong[1], hint=hint)

            if model is None:
                found = _only_model(folder)
                main = found.name if found != folder else ""
                flag = flag_of(found)
                model_facts(found, flag)
                facts: dict[str, Any] = {"flag": flag, "main": main, "from": ["by hand"]}
            else:
                _require_model(model, folder)
                facts = _note(model, ["by hand"], {})

            done = note_down(options.name, folder, facts)
        finally:
            clear_partial(options.name)
    LOG.info("%s: checked and kept as %s; give it as %s %s", options.name, done.path, done.note["flag"], options.name)


def _only_model(folder: Path) -> Path:
    """Return the model in an added folder: its only file, the weights of a folder for a hub, or the whole folder."""
    with loading():
        from netflips.model_folder import is_model_folder

    if is_model_folder(folder):
        return folder / HUB_WEIGHTS
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 else folder


def _gather(files: Sequence[Path], model: Model | None, folder: Path, progress: Progress) -> None:
    """Copy the given files into a folder under the names of the model's files, with parts joined. Raises InputError,
    OutputError."""
    found = dict[str, list[tuple[int, Callable[[], IO[bytes]], int]]]()

    is_alone = model is not None and len(model.files) == len(files) == 1 and files[0].suffix not in _ARCHIVES and files[0].is_file()
    for name, size, opened in (one for path in files for one in _inside(path)):
        whole, number = (match[1], int(match[2])) if (match := _PART.fullmatch(name)) else (name, 0)
        if is_alone:
            whole = model.main if model else whole
        if model is None or any(Path(whole).match(file.name) for file in model.files):
            found.setdefault(whole, []).append((number, opened, size))

    needed = [] if model is None else [one.name for one in model.files if not one.is_optional]
    missing = [name for name in needed if not any(Path(one).match(name) for one in found)]
    if missing or not found:
        raise InputError(
            "the model is not complete", path=files[0], expected=", ".join(missing) or "files", found="none of this name"
        )

    require_room(folder, sum(size for parts in found.values() for _, _, size in parts))

    for name, parts in found.items():
        numbers = sorted(number for number, _, _ in parts)
        if (len(parts) > 1 and numbers != list(range(numbers[0], numbers[0] + len(parts)))) or numbers[0] > 1:
            raise InputError("parts are missing or there twice", path=name, found=", ".join(f"part{one}" for one in numbers))
        try:
            with (folder / name).open("wb") as out:
                for _, opened, _ in sorted(parts, key=lambda one: one[0]):
                    with opened() as source:
                        shutil.copyfileobj(source, out, 1 << 20)
                    progress(name, out.tell() // _MEGA, None)
        except BAD_ZIP as error:
            raise InputError("it cannot be unpacked: the zip is damaged", path=name, found=reason(error)) from error
        except OSError as error:
            raise OutputError("the file cannot be copied", path=folder / name, found=reason(error)) from error


def _inside(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Yield name, length (bytes) and a function that opens it for each file of a folder or archive, or for the file itself. Raises
    InputError."""
    if path.is_dir():
        for one in sorted(path.iterdir()):
            if one.is_file() and not one.name.startswith((".", "_")) and one.suffix not in (".py", ".md"):
                yield one.name, one.stat().st_size, lambda one=one: one.open("rb")  # type: ignore[misc]
        return

    require_file(path, "the model's file")
    if path.suffix.lower() not in _ARCHIVES:
        yield path.name, path.stat().st_size, lambda: path.open("rb")
        return

    try:
        archive = ZipFile(path)
    except (*BAD_ZIP, OSError) as error:
        raise InputError("this is no zip that is whole", path=path, found=reason(error)) from error

    for info in archive.infolist():
        name = Path(info.filename).name
        if not info.is_dir() and name and not name.endswith((".py", ".md")) and ".dist-info" not in info.filename:
            yield name, info.file_size, lambda info=info: archive.open(info)  # type: ignore[misc]


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
    if found is None or not found.is_there:
        catalogue().named([name])
        raise UsageError(f"{name} is not here yet", hint=f"run: netflips models get {name}")
    return found


def _path(options: PathOptions) -> None:
    found = _here(options.name)
    require_undamaged(found)
    print_text(str(found.path))


_COMMANDS = Commands(
    "netflips models",
    "Download published models and find them by name.",
    {
        "list": Command(ListOptions, "netflips models list", _list),
        "get": Command(GetOptions, "netflips models get", _get),
        "add": Command(AddOptions, "netflips models add", _add),
        "check": Command(PublishedCheckOptions, "netflips models check", _check),
        "path": Command(PathOptions, "netflips models path", _path),
    },
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main

if __name__ == "__main__":
    sys.exit(main())
