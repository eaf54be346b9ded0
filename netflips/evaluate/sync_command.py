"""`netflips evaluate sync`: LSE-C and LSE-D of videos, with SyncNet's published network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avcore.command import LOG
from avcore.errors import EXIT_FAILED, NetflipsError, NoFaceError, OutputError
from avcore.files import Input, Output
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import write_rows
from avcore.loading import loading
from avcore.notes import print_text, several
from avcore.words import error_line

_HEAD = f"{'video':<40} {'from':>7} {'to':>7}  {'LSE-C':>6} {'LSE-D':>6} {'offset':>6} {'at 0':>6} {'windows':>7}"


@dataclass(frozen=True, kw_only=True)
class SyncOptions(QuietOptions):
    """Measure how well lips and sound agree, by SyncNet: LSE-C (more is better) and LSE-D (less is better) of every face that is
    followed for four seconds. Figures compare only with figures made in the same way on the same clips. Offset: pictures of 40 ms
    by which the sound comes too early; LSE-D is that at the best offset, `at 0` is without one."""

    videos: tuple[Path, ...] = positional("VIDEO", file=Input("a video"))
    """videos with sound"""
    syncnet: Path = flag(file=Input("SyncNet"))
    """syncnet_v2.model, as published"""
    published: bool = flag(default=False)
    """the published protocol: sound beyond the clip counts as zeros, the last window is left out (default: neither)"""
    least_pictures: int = flag(default=100)
    """follow a face through more than N pictures (default: 100)"""
    least_face: float = flag(default=100, metavar="PIXELS")
    """of faces larger than this (default: 100)"""
    out_path: Path | None = flag(default=None, file=Output("the figures"))
    """write the figures as JSON lines too"""


def _work(options: SyncOptions) -> int | None:
    with loading():
        from netflips.evaluate.face_clips import LeastFace, clips_of
        from netflips.evaluate.lip_sync import lip_sync
        from unit2av.face.syncnet import load_syncnet

    network, rows, failed = load_syncnet(options.syncnet), list[dict[str, Any]](), 0
    least = LeastFace(options.least_pictures, options.least_face)
    print_text(_HEAD)
    for video in options.videos:
        try:
            for clip in clips_of(video, least):
                found = lip_sync(network, clip.pictures, clip.sound, options.published)
                rows.append({"video": str(video), "from_s": clip.start_s, "to_s": clip.end_s, **asdict(found)})
                figures = f"{found.confidence:6.3f} {found.distance:6.3f} {found.offset:6d} {found.at_zero:6.3f} {found.windows:7d}"
                print_text(f"{video.name[:40]:<40} {clip.start_s:7.2f} {clip.end_s:7.2f}  {figures}")
        except OutputError:
            raise
        except NetflipsError as error:
            LOG.error("failed: %s", error_line(error))
            failed += 1
    if options.out_path is not None:
        write_rows(options.out_path, rows)
    if failed == len(options.videos):
        raise NoFaceError("no video could be measured", expected="a face that speaks for four seconds, and sound")
    if rows:
        mean = (sum(float(row[name]) for row in rows) / len(rows) for name in ("confidence", "distance"))
        print_text("mean of {}: LSE-C {:.3f}, LSE-D {:.3f}".format(several(len(rows), "face"), *mean))
    return EXIT_FAILED if failed else None


COMMANDS = {"sync": Command(SyncOptions, "netflips evaluate sync", _work)}
build_sync_parser = COMMANDS["sync"].parser
