"""The command `netflips evaluate bench`."""

from dataclasses import dataclass, replace
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import require_place
from avcore.flags import Command, flag, positional
from avcore.journal import folder_lock
from avcore.loading import loading
from avcore.notes import print_text
from avcore.progress import bars
from netflips.checkout import from_checkout
from netflips.evaluate.bench import MANIFEST, PAGE, SYSTEMS, TABLE, read_clips, read_systems, roads, run_road
from netflips.evaluate.suite_command import MeasureOptions, settings_of

_MEASURED = "measured"


@dataclass(frozen=True, kw_only=True)
class BenchOptions(MeasureOptions):
    """Compare programs that dub, on clips that may be given away: 24 are made where DIR has none (needs make voices). NetfLips
    dubs them by its roads; what other programs made of them lies in DIR/systems/NAME, with a system.yaml that says how. Writes
    one table with intervals, a page with players, and a page for blind listening. Stopped, it goes on where it was."""

    folder: Path = positional("DIR")
    """clips.jsonl and clips, systems, and the results"""
    number: int = flag(default=24)
    """clips that are made (default: 24)"""
    roads: str | None = flag(default=None, metavar="A,B")
    """NetfLips' roads: units, cascade, subtitles, kokoro; '' = none (default: all that can run here)"""
    jobs: int = flag(default=1, group="spreading the work")
    """processes that measure (default: 1)"""
    pairs: int = flag(default=20)
    """pairs of the page for listening (default: 20)"""
    metrics: str = flag(default="bench", metavar="A,B", group="measuring")
    """figures, by name or preset (default: bench)"""


def _work(options: BenchOptions) -> None:
    with loading():
        from netflips.evaluate.bench_page import write_bench
        from netflips.evaluate.cases import DUBBED, CaseFiles, check_media
        from netflips.evaluate.metric import DUBS
        from netflips.evaluate.suite import measure

    if options.number < 1 or options.pairs < 1:
        raise UsageError("--number and --pairs must be 1 or more", found=f"{options.number} and {options.pairs}")
    folder, known = options.folder, roads()
    wanted = list(known) if options.roads is None else [one.strip() for one in options.roads.split(",") if one.strip()]
    if unknown := [one for one in wanted if one not in known]:
        raise UsageError("there is no such road", expected=", ".join(known), found=unknown[0])
    require_place(folder / TABLE)
    with bars(options.quiet) as progress:
        if not (folder / MANIFEST).is_file():
            from_checkout("recipes.demo.evaluate.bench_clips").make_clips(folder, options.number, progress)
        clips = read_clips(folder)
        left = {name: why for name in wanted if (why := run_road(name, known[name], clips, folder, progress))}
        for name, why in left.items():
            LOG.warning("road %s is left out: %s", name, why)
        systems = read_systems(folder, clips)
        if not systems:
            raise InputError("nothing dubbed the clips", path=folder / SYSTEMS, expected="roads, or folders of other programs")
        cases = list[CaseFiles]()
        for clip in clips:  # what is found in a source is kept for its dubs
            for system in (one for one in systems if clip.id in one.dubs):
                dub, id_ = system.dubs[clip.id], f"{system.folder}/{clip.id}"
                report = dub.with_suffix(".json") if dub.with_suffix(".json").is_file() else None
                cases.append(CaseFiles(id_, dub, clip.source, None, clip.reference_text, "", "ko", report, system.folder))
        check_media(cases, folder / MANIFEST)
        settings = settings_of(options, tuple(cases), DUBS, "Bench")
        settings = replace(settings, asked={"": replace(settings.asked[""], subjects=(DUBBED,))})
        with folder_lock(folder / _MEASURED):
            found, rows, facts = measure(cases, settings, folder / _MEASURED, progress)
    table = write_bench(folder, clips, systems, found.values(), rows, {**facts, "clips": str(len(clips))}, left, options.pairs)
    print_text(table.rstrip("\n"))
    LOG.info("written: %s", folder / PAGE)


COMMANDS = {"bench": Command(BenchOptions, "netflips evaluate bench", _work)}
build_bench_parser = COMMANDS["bench"].parser
