"""`netflips bundle`: pack the models that come with NetfLips, measure where their domain ends, check them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import ABOUT, REFERENCES, Bundle, needed_stages, packed_part
from avcore.checkpoints.stages import STORED_PRECISIONS, Stage
from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import Input, check_files, require_file
from avcore.flags import Command, Commands, QuietOptions, flag, flags_of, positional
from avcore.loading import loading
from avcore.progress import bars
from avcore.texts import read_json
from avcore.units import normalise_language
from netflips import stages
from netflips.bundles.describe import EXTRAS, bundle_lines, check_bundle, note, total_bytes
from netflips.commands.checkout import from_checkout

_MEGA = 2**20


def _optional() -> list[Stage]:
    return [stage for stage in stages.STAGES if stage.place == "optional"]


def _add_models(group: Any) -> None:
    for stage in needed_stages():
        what = f"the {stage.kind}"
        group.add_argument(f"--{stage.part}", type=Input(what), required=True, metavar="FILE", help=what)
    for stage in _optional():
        what = f"the {stage.kind} (default: none)"
        if stage.by_language:
            more = f"{what}; may be given for each language"
            group.add_argument(f"--{stage.part}", action="append", default=[], metavar="LANGUAGE=FILE", help=more)
        else:
            group.add_argument(f"--{stage.part}", type=Input(f"the {stage.kind}"), metavar="FILE", help=what)


def _add_keep(group: Any) -> None:
    parts = [stage.part for stage in (*needed_stages(), *_optional())]
    group.add_argument("--keep", action="append", default=[], choices=parts, help="leave this model's numbers as they are")


def _models(given: Any) -> dict[str, Path]:
    """Return the models by their names in a bundle. Raises UsageError."""
    found: dict[str, Path] = {}
    for stage in (*needed_stages(), *_optional()):
        value = getattr(given, stage.part.replace("-", "_"))
        if not stage.by_language:
            found |= {} if value is None else {stage.part: value}
            continue

        for text in value:
            language, _, path = text.partition("=")
            if not language or not path:
                raise UsageError(f"--{stage.part} takes LANGUAGE=FILE", found=text)
            found[stage.part_for(normalise_language(language))] = Path(path)
    return found


@dataclass(frozen=True, kw_only=True)
class BundleOptions(QuietOptions):
    """Where a bundle is."""

    bundle_dir: Path = flag(default=stages.SHIPPED, metavar="DIR", group="running")
    """default: where it is shipped"""


@dataclass(frozen=True, kw_only=True)
class PackOptions(BundleOptions):
    """Make a bundle of three checkpoints and their reference sentences."""

    models: dict[str, Path] = flags_of(_add_models, _models, dict)
    references: Path = flag(file=Input("the references"))
    """units of every sentence, JSON lines"""
    mouth_table: Path | None = flag(default=None, file=Input("the mouth's table"))
    """what the units make a mouth do, for --lips mesh"""
    voices: Path | None = flag(default=None, file=Input("the named voices"))
    """voices by name, the default first"""
    about: Path = flag(file=Input("the description"))
    """JSON: "domain" in words, "made" with seed, configs, commit and seconds, and what else is to be told"""
    precision: str = flag(default="float16", choices=STORED_PRECISIONS)
    """of matrices and kernels (default: float16)"""
    keep: tuple[str, ...] = flags_of(_add_keep, lambda given: tuple(given.keep), tuple)


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions(BundleOptions):
    """Measure the bounds of the bundle's domain (needs espeakng-loader; uses natural voices if installed)."""

    utterances: int = flag(default=800)
    """default: 800"""
    seed: int = flag(default=40)
    """default: 40"""
    share: float = flag(default=0.03)
    """of the domain's own speech that comes out right, below any bound (default: 0.03)"""


@dataclass(frozen=True, kw_only=True)
class NoteOptions(BundleOptions):
    """Add a section to bundle.json."""

    section: str = positional("section")
    """its name, as metrics"""
    file: Path = positional("file", file=Input("the section"))
    """JSON"""


@dataclass(frozen=True, kw_only=True)
class CheckOptions(BundleOptions):
    """Compare the files with the checksums in bundle.json."""


def _pack(options: PackOptions) -> None:
    needed = [options.models[stage.part] for stage in needed_stages()]
    others = {part: path for part, path in options.models.items() if part not in {stage.part for stage in needed_stages()}}
    extras = filter(None, (options.mouth_table, options.voices))
    inputs = [*needed, *others.values(), options.references, options.about, *extras]
    for path in others.values():
        require_file(path, "a model")

    models = (*Bundle(options.bundle_dir, {}).models, *filter(None, map(packed_part, others)))
    names = {*(model.file for model in models), *EXTRAS, REFERENCES, ABOUT}
    written = [options.bundle_dir / name for name in sorted(names)]
    check_files((), {"a file that it is made of": inputs}, {"a file of the bundle": written})
    with loading():
        from netflips.bundles.pack import pack_bundle
        from netflips.commands.convert import DTYPES

    packed = (*needed_stages(), *_optional())
    precision = {stage: None if stage.part in options.keep else DTYPES[options.precision] for stage in packed}

    about = _read_json(options.about)
    encoder, translator, renderer = needed
    bundle = pack_bundle(
        encoder,
        translator,
        renderer,
        options.references,
        about,
        options.bundle_dir,
        precision,
        others,
        options.mouth_table,
        options.voices,
    )
    LOG.info("%s: packed, %.1f MiB", bundle.folder, total_bytes(bundle) / _MEGA)
    _log_figures(bundle)


def _calibrate(options: CalibrateOptions) -> None:
    with loading():
        calibration = from_checkout("recipes.demo.recipe.calibration")  # the voices of the training side

    with bars(options.quiet) as progress:
        _log_figures(calibration.calibrate_bundle(options.bundle_dir, options.utterances, options.seed, options.share, progress))


def _note(options: NoteOptions) -> None:
    check_files((), {"the section": options.file}, {"the bundle's description": options.bundle_dir / ABOUT})
    _log_figures(note(options.bundle_dir, **{options.section: _read_json(options.file)}))


def _check(options: CheckOptions) -> None:
    _log_figures(check_bundle(options.bundle_dir))


def _log_figures(bundle: Bundle) -> None:
    for line in bundle_lines(bundle):
        LOG.info("%s", line)


def _read_json(path: Path) -> Any:
    return read_json(path, "the description")


_COMMANDS = Commands(
    "netflips bundle",
    "Pack and check the models that come with NetfLips.",
    {
        "pack": Command(PackOptions, "netflips bundle pack", _pack),
        "calibrate": Command(CalibrateOptions, "netflips bundle calibrate", _calibrate),
        "note": Command(NoteOptions, "netflips bundle note", _note),
        "check": Command(CheckOptions, "netflips bundle check", _check),
    },
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main

if __name__ == "__main__":
    sys.exit(main())
