"""`netflips extract` and `scripts/extract_units.py`: units, voices, features and lip crops of a whole corpus."""

import sys
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from av2unit.stage import UNIT_ENCODER
from avcore.bounds import Count, Number
from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.command import LOG
from avcore.data.manifest import PATH_FIELDS, Manifest, PackedEntries
from avcore.errors import EXIT_FAILED, UsageError
from avcore.faces.select import FaceWord
from avcore.files import Input
from avcore.flags import Command, CommonOptions, flag, positional
from avcore.journal import iter_rows
from avcore.loading import loading
from avcore.notes import several
from avcore.parts import Part, folder_of, parts_in, require_parts
from avcore.units import normalise_language
from netflips.bulk.flags import SpreadFlags
from netflips.bulk.inputs import read_inputs
from netflips.bulk.settings import ExtractModels, ExtractSettings, ShardLayout
from netflips.bulk.spread import Spread
from netflips.bulk.store import require_apart

_CODES = "Exit code 0: all is done; 1: some utterances failed, see failed.jsonl; 2: bad input or usage."
_REASONS_SHOWN, _FAILED = 5, "failed.jsonl"


@dataclass(frozen=True)
class ExtractOptions(SpreadFlags, CommonOptions):
    """Extract the units of a corpus, on all cores and GPUs. It can be stopped at any time; the same command continues."""

    in_path: str = positional("CORPUS", group="files")
    """manifest (.jsonl), folder of videos or sound, glob in quotes, or one file"""
    out_dir: Path = flag("-o", "--out-dir", metavar="DIR")
    """folder for the results"""
    _: KW_ONLY
    root: Path | None = flag(default=None, metavar="DIR")
    """folder that the manifest's paths are relative to (default: the manifest's own)"""
    source: str = flag("--from", default="", metavar="LANG")
    """language of the utterances whose manifest names none, as ko or kor"""
    layout: ShardLayout = flag(default="jsonl")
    """shards of JSON lines, or units/<id>.unit, one text file each as published (default: jsonl)"""
    shard_size: Count = flag(default=1000)
    """utterances in a shard (default: 1000)"""
    av2unit_path: Path | None = flag(group="what to make", default=None, file=Input("the unit encoder"))
    """unit encoder, mavhubert_large_noise.pt (default: the bundle's)"""
    modalities: str = flag(default="audio,video", metavar="WHICH")
    """audio,video or audio or video (default: audio,video)"""
    face: FaceWord = flag(default="auto")
    """whose lips: auto (who speaks), largest, or N-th from the left"""
    units: bool = flag("--no-units", default=True)
    """write only what the next three flags ask for"""
    features: str = flag(default="", metavar="LAYER")
    """features/<id>.npy of a layer, 0.. or last, for k-means"""
    with_speaker: Literal["", "row", "npy"] = flag(default="", nargs="?", const="row", choices=("row", "npy"))
    """speaker embedding, in the row or as speakers/<id>.npy (default: row)"""
    with_lips: bool = flag(default=False)
    """write lips/<id>.lip.mp4 and .bbox.pkl of videos without lip crops"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """speaker encoder, encoder.pt or x.onnx (default: resemblyzer's weights)"""
    readers: Number = flag(group="many files", default=0)
    """files decoded at a time (default: one a core)"""
    part: Part | None = flag(default=None, type=Part.of, metavar="K/N")
    """only this part of the utterances, as 3/16 in a task of an array; it goes into a folder of its own in DIR"""
    overwrite: bool = flag(default=False)
    """delete the results of an earlier run first"""
    dry_run: int | None = flag(default=None, nargs="?", const=8)
    """estimate time and space from N utterances (8)"""

    def settings(self) -> ExtractSettings:
        """Return the settings of the extraction. Raises UsageError for options that cannot be used."""
        with loading():
            from av2unit.sources import parse_modalities

        return ExtractSettings(
            out_dir=self.out_dir if self.part is None else folder_of(self.part, self.out_dir),
            modalities=parse_modalities(self.modalities),
            face=self.face,
            layout=self.layout,
            shard_size=self.shard_size,
            units=self.units,
            features=self.features,
            speaker=self.with_speaker,
            lips=self.with_lips,
        )


def extract_corpus(options: ExtractOptions) -> int | None:
    """Extract; returns 1 when some utterances were set aside."""
    settings = options.settings()

    LOG.info("reading %s", options.in_path)
    language = normalise_language(options.source) if options.source else ""
    manifest = read_inputs(str(options.in_path), options.root, language)
    part = options.part
    if part is None and (parts := parts_in(options.out_dir)):
        return _count_parts(manifest, options.out_dir, parts)
    if part is not None:
        manifest = Manifest(manifest.root, PackedEntries(entry for entry in manifest.entries if part.has(entry.id)))
        if not manifest.entries:
            LOG.info("part %s: none of the utterances is in it", part)
            return None
    LOG.info("%s; looking at models and at what is done already", several(len(manifest), "utterance"))

    encoder = checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER) if settings.needs_encoder else options.av2unit_path
    models = ExtractModels(encoder, options.speaker_encoder_path, options.device, options.precision)
    given = [path for path in (Path(options.in_path), models.encoder, models.speaker) if path is not None and path.is_file()]
    media = (path for entry in manifest.entries for what in PATH_FIELDS if (path := manifest.path(entry, what)) is not None)
    require_apart(options.out_dir, chain(given, media))

    spread = Spread.of(options, options.readers)
    if options.dry_run is not None:
        from netflips.bulk.extraction import dry_run

        if options.dry_run < 1:
            raise UsageError("--dry-run takes 1 utterance or more", found=options.dry_run)
        LOG.info("%s", dry_run(manifest, settings, models, spread, options.dry_run, options.retry_failed).text())
        return None
    from netflips.bulk.extraction import extract

    again = {"overwrite": options.overwrite, "retry_failed": options.retry_failed}
    summary = extract(manifest, settings, models, spread, options.quiet, **again)
    if summary.num_before:
        LOG.info("done already: %d of %s", summary.num_before, several(summary.num_inputs, "utterance"))
    if summary.progress.done or summary.progress.failed:
        LOG.info("%s", summary.progress.table())
    LOG.info("results: %s", settings.out_dir)

    if not summary.failures:
        return None
    LOG.error("%s set aside, see %s:", several(len(summary.failures), "utterance"), settings.out_dir / _FAILED)
    for name, reason in list(summary.failures.items())[:_REASONS_SHOWN]:
        LOG.error("  %s: %s", name, reason)
    if len(summary.failures) > _REASONS_SHOWN:
        LOG.error("  and %d more", len(summary.failures) - _REASONS_SHOWN)
    return EXIT_FAILED


def _count_parts(manifest: Manifest, folder: Path, parts: Sequence[Path]) -> int | None:
    """Say how many utterances the parts of a folder hold; returns 1 when some were set aside.

    Raises InputError for parts that have not looked at all of theirs.
    """
    looked_at, failed = set[str](), set[str]()
    for path in parts:
        for file in (*path.glob("shards/[!.]*.jsonl"), *path.glob("index/[!.]*.jsonl")):
            looked_at |= {str(row["id"]) for _, row in iter_rows(file)}
        if (path / _FAILED).is_file():
            failed |= {str(row["id"]) for _, row in iter_rows(path / _FAILED)}
    missing = [entry.id for entry in manifest.entries if entry.id not in looked_at | failed]
    require_parts(folder, [at for at in range(len(parts)) if any(Part(at, len(parts)).has(name) for name in missing)])
    LOG.info("%s: %s in %s", folder, several(len(looked_at), "utterance"), several(len(parts), "part"))
    if failed:
        LOG.error("%s set aside, see %s in each part", several(len(failed), "utterance"), _FAILED)
    return EXIT_FAILED if failed else None


_COMMAND = Command(ExtractOptions, "netflips extract", extract_corpus, _CODES)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
