"""The options of `netflips dub` for recordings of several utterances."""

import argparse
from pathlib import Path

from avcore.errors import UsageError
from netflips.dub.given_speech import add_speech_options, given_speech
from netflips.dub.segments import READ_SUFFIXES, require_segment_name
from netflips.dub.timing import TIMINGS, Pace
from netflips.dub.utterances import UtteranceLength
from netflips.options import BACKGROUNDS, RecordingOptions
from netflips.text_road.options import TEXT


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Add --timing and all that goes with recordings in their own time."""
    group = parser.add_argument_group("recordings of several utterances")
    group.add_argument(
        "--timing",
        default="auto",
        choices=TIMINGS,
        help="source: each utterance in its own place, picture and length as they were; free: one utterance, as long as it takes; "
        "auto: free for a clip of one utterance (default)",
    )
    group.add_argument(
        "--pace",
        type=float,
        nargs=2,
        default=(0.8, 1.25),
        metavar=("MIN", "MAX"),
        help="how much shorter and longer than by itself speech may be to fit its place (default: 0.8 1.25)",
    )
    group.add_argument(
        "--hold-picture", action="store_true", help="hold the picture where speech is still too long; the output grows by that"
    )
    group.add_argument(
        "--utterance-length",
        type=float,
        nargs=2,
        default=(2.0, 12.0),
        metavar=("MIN", "MAX"),
        help="seconds that an utterance should last (default: 2 12)",
    )
    group.add_argument(
        "--background", default="keep", choices=BACKGROUNDS, help="keep or mute the sound outside of speech (default: keep)"
    )
    group.add_argument(
        "--background-audio", type=Path, metavar="FILE", help="music and effects without voices, heard where the old sound is not"
    )
    group.add_argument("--segments", type=Path, metavar="FILE", help="write the times of the utterances (.json or .srt)")
    group.add_argument(
        "--segments-in",
        type=Path,
        metavar="FILE",
        help="your subtitles (.srt, .vtt, .ass, .smi): Korean texts are spoken, English ones are what is heard; or the .json of "
        "--segments, where a target_text is spoken",
    )
    group.add_argument(
        "--text2unit-path",
        type=Path,
        metavar="FILE",
        help="speller for --segments-in and --road text (default: the bundle's)",
    )
    group.add_argument(
        "--speaker-map", type=Path, metavar="FILE", help="who says which utterance, in which voice, with which face (.json)"
    )
    group.add_argument("--from", dest="from_s", type=float, metavar="SECONDS", help="dub from here, output only the part")
    group.add_argument("--to", dest="to_s", type=float, metavar="SECONDS", help="dub up to here, output only the part")
    group.add_argument("--preview", action="store_true", help="dub and output the first utterance only")
    group.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="where finished work is kept, so that a stopped run goes on (default: <output>.work beside the output)",
    )
    add_speech_options(parser)


def recording_options(options: argparse.Namespace) -> RecordingOptions:
    """What was asked for. Raises UsageError for what cannot be."""
    if options.segments is not None:
        require_segment_name(options.segments, "--segments")
    if options.segments_in is not None:
        require_segment_name(options.segments_in, "--segments-in", READ_SUFFIXES)
    if options.text2unit_path is not None and options.segments_in is None and options.road != TEXT:
        hint = f"add --segments-in times.json with a target_text, or --road {TEXT}"
        raise UsageError("--text2unit-path belongs to --segments-in", hint=hint)
    return RecordingOptions(
        pace=Pace(options.pace[0], options.pace[1], options.hold_picture),
        length=UtteranceLength(*options.utterance_length),
        background=options.background,
        background_audio=options.background_audio,
        segments_out=options.segments,
        segments_in=options.segments_in,
        speaker_map=options.speaker_map,
        start_s=options.from_s,
        end_s=options.to_s,
        is_preview=options.preview,
        work_dir=options.work_dir,
        speech=given_speech(options),
    )
