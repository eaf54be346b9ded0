"""What is taken as media, and bounds that a file must keep before any work is done for it.

A few bytes of a header can ask for hours of silence or gigabytes of pixels; nobody's footage comes near these bounds.
"""

from dataclasses import dataclass

from avcore.errors import MediaError
from avcore.timeline import Seconds

CONTAINERS = (
    *("mov", "matroska", "avi", "asf", "flv", "live_flv", "mpegts", "mpeg", "mxf", "nut", "gxf", "dv", "rm", "wtv", "ivf", "gif"),
    *("yuv4mpegpipe", "h264", "hevc", "vvc", "av1", "obu", "m4v", "mpegvideo", "mjpeg", "h263", "vc1", "dirac"),
    *("wav", "w64", "aiff", "caf", "au", "voc", "flac", "ogg", "mp3", "aac", "loas", "ac3", "eac3", "dts", "amr", "amrnb", "amrwb"),
    *("ape", "wv", "tta", "tak", "dsf", "sox", "nistsphere"),
    *("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe"),
)
"""Demuxers that read the file that they are given and open no other. Playlists (hls, concat, dash, sdp), numbered pictures
(image2), texts (tty, subtitles) and descriptions of other files are not among them; a single picture is read as itself."""

ONLY_THIS_FILE = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
"""Options of FFmpeg to open a file with; they hold for whatever a demuxer opens on its way, too."""


@dataclass(frozen=True)
class MediaLimits:
    """Bounds of what a file may declare.

    least_rate, most_rate: samples a second. Telephone sound has 8000, the oldest sound cards had 4000; 768,000 is the fastest
    that recorders write. Sound of 1 Hz would be made 16,000 times as much, and a filter for 2^31 Hz does not fit in memory.
    most_channels: 64 are in the largest microphone arrays' files. most_missing_s: how much silence is made up in all where
    sound begins late or is missing on the way, 0.2 GB of it at 16 kHz. most_side, most_pixels: of a picture; 8K (7680 x 4320)
    and 8K from edge to edge of a cinema (8192 x 4320) are inside: more does not fit in 3 GB while it is decoded, drawn
    and encoded. loudest: of a sample, 1 is full scale; floating sound may go above, but 60 dB above it is no sound.
    """

    least_rate: int = 2_000
    most_rate: int = 768_000
    most_channels: int = 64
    most_missing_s: int = 3600
    longest_picture_s: int = 7200
    most_side: int = 16_384
    most_pixels: int = 8192 * 4320
    loudest: float = 1000.0


LIMITS = MediaLimits()


def require_sane_sound(rate: int, channels: int, path: object, limits: MediaLimits = LIMITS) -> None:
    """Raise MediaError for a sample rate (Hz) or a number of channels that no sound has."""
    if not limits.least_rate <= rate <= limits.most_rate:
        raise MediaError(
            "its sound has a sample rate that cannot be right",
            path=str(path),
            expected=f"{limits.least_rate} to {limits.most_rate} Hz",
            found=f"{rate} Hz",
            hint="its header may be damaged",
        )
    if channels > limits.most_channels:
        raise MediaError(
            "its sound has too many channels", path=str(path), expected=f"up to {limits.most_channels}", found=channels
        )


def require_sane_size(width: int, height: int, path: object, limits: MediaLimits = LIMITS) -> None:
    """Raise MediaError for pictures that are larger than can be worked on."""
    if max(width, height) > limits.most_side or width * height > limits.most_pixels:
        raise MediaError(
            "its pictures are too large",
            path=str(path),
            expected="up to 8192 x 4320 pixels, or as many in another shape",
            found=f"{width} x {height}",
            hint="make them smaller: people and their lips need no more than 4K",
        )


def require_moving(longest: Seconds, path: object, limits: MediaLimits = LIMITS) -> None:
    """Raise MediaError for pictures of which one stays longer (s) than is looked at."""
    if longest > limits.longest_picture_s:
        raise MediaError(
            "one of its pictures stays for hours",
            path=str(path),
            expected=f"up to {limits.longest_picture_s} s a picture",
            found=f"{float(longest):.0f} s",
            hint="its times may be damaged: correct them with a video editor",
        )


def require_little_missing(missing: Seconds, path: object, limits: MediaLimits = LIMITS) -> None:
    """Raise MediaError for sound (seconds, in all) that is missing longer than silence is made up for."""
    if missing > limits.most_missing_s:
        raise MediaError(
            "its sound begins hours late, or is missing for hours on the way",
            path=str(path),
            expected=f"up to {limits.most_missing_s} s without sound",
            found=f"{float(missing):.0f} s",
            hint="cut the file to where there is sound, or correct its times with a video editor",
        )
