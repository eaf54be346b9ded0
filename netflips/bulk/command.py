"""`netflips extract` and `scripts/extract_units.py`: units, voices, features and lip crops of a whole corpus."""

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import EXIT_FAILED, LOG, Parser, add_common_options, device_name, run
from avcore.errors import UsageError
from avcore.loading import loading
from avcore.plain_text import several
from avcore.suffixes import SOUND_SUFFIXES, VIDEO_SUFFIXES
from avcore.units.vocabulary import normalise_language
from avdata.manifest import PATH_FIELDS, Manifest
from netflips.bulk.inputs import read_inputs
from netflips.bulk.run_folder import require_apart
from netflips.bulk.settings import CPU_BATCH_S, CPU_PADDING_S, GPU_BATCH_S, ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread, add_spread_options, spread_of

_SAMPLE = 8
_REASONS_SHOWN = 5


def build_parser(prog: str = "netflips extract") -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Extract the units of a corpus, on all cores and GPUs. Stop it at any time: the same command goes on.",
        epilog="Exit code 0: all is done; 1: some utterances were set aside, see failed.jsonl; 2: bad input or usage.",
    )
    files = parser.add_argument_group("files")
    files.add_argument("--in-path", required=True, help="manifest (.jsonl), folder of videos or sound, glob in quotes, or one file")
    files.add_argument("--root", type=Path, help="folder that a manifest's paths start from (default: the manifest's own)")
    files.add_argument("--suffix", nargs="+", metavar=".EXT", help="kinds of file to take from a folder or glob (default: media)")
    files.add_argument("--language", default="", help="language of the utterances whose manifest names none, as ko or kor")
    files.add_argument("--out-dir", required=True, type=Path, help="folder for the results")
    files.add_argument(
        "--layout",
        default="jsonl",
        choices=("jsonl", "parquet", "files"),
        help="shards of JSON lines or Parquet, or units/<id>.unit, one text file each as published (default: jsonl)",
    )
    files.add_argument("--shard-size", type=int, default=1000, metavar="N", help="utterances in a shard (default: 1000)")
    _add_what_options(parser)
    _add_run_options(parser)
    add_common_options(parser)
    return parser


def _add_what_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to make")
    group.add_argument("--av2unit-path", type=Path, help="unit encoder, mavhubert_large_noise.pt (default: the bundle's)")
    group.add_argument("--modalities", default="audio,video", help="audio,video or audio or video (default: audio,video)")
    group.add_argument("--face", default="auto", help="whose lips: auto (who speaks), largest, or N-th from the left")
    group.add_argument("--no-units", action="store_true", help="only what the next three ask for")
    group.add_argument("--features", default="", metavar="LAYER", help="features/<id>.npy of a layer, 0.. or last, for k-means")
    group.add_argument(
        "--with-speaker",
        nargs="?",
        const="row",
        default="",
        choices=("row", "npy"),
        help="speaker embedding, in the row or as speakers/<id>.npy (default: row)",
    )
    group.add_argument("--with-lips", action="store_true", help="lips/<id>.lip.mp4 and .bbox.pkl of videos that have no lip crops")
    group.add_argument("--speaker-encoder-path", type=Path, help="speaker encoder, encoder.pt (default: resemblyzer's weights)")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("going about it")
    add_spread_options(group)
    group.add_argument("--readers", type=int, default=0, help="files decoded at a time (default: one a core)")
    group.add_argument(
        "--batch-seconds",
        type=float,
        default=0.0,
        metavar="S",
        help=f"speech in a batch, padding counted (default: {CPU_BATCH_S:g}, on a GPU {GPU_BATCH_S:g}; twice without pictures)",
    )
    group.add_argument(
        "--batch-padding",
        type=float,
        metavar="S",
        help=f"silence that an utterance of a batch is filled up with at most (default: {CPU_PADDING_S:g}, on a GPU any length)",
    )
    group.add_argument("--overwrite", action="store_true", help="delete the results of an earlier run first")
    group.add_argument("--verify", action="store_true", help="check what is finished by reading features too, not by their sizes")
    group.add_argument("--max-failures", type=int, metavar="N", help="stop when more than N utterances fail")
    group.add_argument(
        "--dry-run", type=int, nargs="?", const=_SAMPLE, metavar="N", help=f"estimate time and space from N utterances ({_SAMPLE})"
    )


def main(argv: Sequence[str] | None = None, prog: str = "netflips extract") -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> int | None:
    settings = _settings(options)
    manifest = _inputs(options)
    models = _models(options, settings)
    _require_apart(manifest, models, options)
    spread = spread_of(options, options.readers)
    if options.dry_run is not None:
        return _estimate(manifest, settings, models, spread, options)
    from netflips.bulk.extraction import RunChoices, extract

    choices = RunChoices(options.overwrite, options.retry_failed, options.max_failures, options.verify)
    summary = extract(manifest, settings, models, spread, choices, options.quiet)
    if summary.num_before:
        LOG.info("done already: %d of %s", summary.num_before, several(summary.num_inputs, "utterance"))
    if summary.progress.done or summary.progress.failed:
        LOG.info("%s", summary.progress.table())
    LOG.info("results: %s", settings.out_dir)
    return _report_failures(summary.failures, settings.out_dir)


def _report_failures(failures: dict[str, str], out_dir: Path) -> int | None:
    if not failures:
        return None
    LOG.error("%s set aside, see %s:", several(len(failures), "utterance"), out_dir / "failed.jsonl")
    for name, reason in list(failures.items())[:_REASONS_SHOWN]:
        LOG.error("  %s: %s", name, reason)
    if len(failures) > _REASONS_SHOWN:
        LOG.error("  and %d more", len(failures) - _REASONS_SHOWN)
    return EXIT_FAILED


def _estimate(
    manifest: Manifest, settings: ExtractSettings, models: ExtractModels, spread: Spread, options: argparse.Namespace
) -> int | None:
    from netflips.bulk.extraction import dry_run

    if options.dry_run < 1:
        raise UsageError("--dry-run takes 1 utterance or more", found=options.dry_run)
    LOG.info("%s", dry_run(manifest, settings, models, spread, options.dry_run, options.retry_failed).text())
    return None


def _inputs(options: argparse.Namespace) -> Manifest:
    suffixes = tuple(one.lower() if one.startswith(".") else f".{one.lower()}" for one in options.suffix or ())
    language = normalise_language(options.language) if options.language else ""
    return read_inputs(options.in_path, options.root, language, suffixes or (*VIDEO_SUFFIXES, *SOUND_SUFFIXES))


def _settings(options: argparse.Namespace) -> ExtractSettings:
    with loading():
        from av2unit.sources import parse_modalities

    return ExtractSettings(
        out_dir=options.out_dir,
        modalities=parse_modalities(options.modalities),
        face=options.face,
        layout=options.layout,
        shard_size=options.shard_size,
        units=not options.no_units,
        features=options.features,
        speaker=options.with_speaker,
        lips=options.with_lips,
        batch_s=options.batch_seconds,
        most_padding_s=options.batch_padding,
    )


def _models(options: argparse.Namespace, settings: ExtractSettings) -> ExtractModels:
    encoder = checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER) if settings.needs_encoder else options.av2unit_path
    return ExtractModels(encoder, options.speaker_encoder_path, device_name(options), options.precision)


def _require_apart(manifest: Manifest, models: ExtractModels, options: argparse.Namespace) -> None:
    given = [path for path in (Path(options.in_path), models.encoder, models.speaker) if path is not None and path.is_file()]
    media = (path for entry in manifest.entries for what in PATH_FIELDS if (path := manifest.path(entry, what)) is not None)
    require_apart(options.out_dir, chain(given, media))


if __name__ == "__main__":
    sys.exit(main())
