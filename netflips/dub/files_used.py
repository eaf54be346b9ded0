"""The files that a dub's settings name, for whoever must not overwrite them."""

from pathlib import Path

from avcore.files import require_file
from netflips.dub.speaker_map import read_speaker_map
from netflips.options import DubOptions
from netflips.script.imports import targets_asked
from netflips.script.types import SpokenSound


def inputs_of(options: DubOptions) -> dict[str, list[Path]]:
    """Return what is read beside the video, in words and by path. Raises InputError for a file that is not there."""
    recording = options.recording
    given = {
        "the voice (--voice)": options.speaker,
        "the lip video": options.lips,
        "the face boxes": options.boxes,
        "the segments file (--segments-in)": recording.segments_in,
        "the background audio": recording.background_audio,
        "the speaker map": recording.speaker_map,
        "the font (--subtitle-font)": None if options.subtitles is None else options.subtitles.font,
    }
    found = {what: [require_file(path, what)] for what, path in given.items() if path is not None}
    found |= {what: [require_file(path, what)] for what, path in options.mouth.files.items()}
    found |= {} if options.road is None else options.road.files
    if recording.speech.path is not None:
        found["the speech (--speech-in)"] = recording.speech.files
    if recording.segments_in is not None:
        asked, folder = targets_asked(recording.segments_in).values(), recording.segments_in.parent
        named = [folder / one.file for one in asked if isinstance(one, SpokenSound)]
        found |= {"a sound of the script": named} if named else {}
    return found | voices_of(options)


def voices_of(options: DubOptions) -> dict[str, list[Path]]:
    """Return the voices that a speaker map names."""
    if options.recording.speaker_map is None:
        return {}
    voices = [one.voice for one in read_speaker_map(options.recording.speaker_map).speakers.values()]
    return {"a voice of the speaker map": [voice for voice in voices if voice is not None]}


def outputs_of(options: DubOptions) -> dict[str, list[Path]]:
    """Return what is written beside the dubbed video."""
    written = options.recording.segments_out
    return {} if written is None else {"the segments file (--segments)": [written]}
