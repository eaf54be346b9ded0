"""Music and effects under the new speech: what a program that separates them from voices leaves of a recording."""

import tempfile
from pathlib import Path

from avcore.errors import InputError
from avcore.journal import key_of
from avcore.media import iter_sound_at, iter_sound_blocks, probe
from avcore.media.sound import write_speech_pieces
from avcore.programs import command_key, filled, program_name, run_program
from netflips.dub.job import LOG, DubJob
from netflips.dub.recording_flags import SEPARATE_WITH

_WHAT = f"the program of {SEPARATE_WITH}"
_STAGE = "speech"
_WITHOUT_VOICES = ("no_vocals", "background", "instrumental", "other", "accompaniment")
"""Names, without their endings, of the file without voices: of demucs, and as people name the stems of audio-separator."""
_LIMIT_S = 24 * 3600.0
_MOST_DIFFERENCE_S = 1.0
_MOST_NAMED = 5


def background_of(job: DubJob) -> Path | None:
    """Return the file of music and effects: the one that was given, or the one that the program of --separate-with makes.

    It is made once and kept with the finished work. Raises InputError where the program fails, or writes no such sound.
    """
    command = job.settings.separate_with
    if not command or not job.info.has_audio:
        return job.settings.background_audio
    key = key_of("separation", job.digest, command_key(command), job.sound_rate)
    kept = job.work.find_file(_STAGE, key, ".wav")
    if kept is not None:
        return kept
    LOG.info("separating music and effects from voices by %s", program_name(command))
    with tempfile.TemporaryDirectory(prefix="netflips-") as folder, job.work.new_file(_STAGE, key, ".wav") as target:
        source, stems, background = (Path(folder) / name for name in ("sound.wav", "stems", "background.wav"))
        stems.mkdir()
        samples = write_speech_pieces(source, iter_sound_blocks(job.source.path), job.sound_rate, job.num_channels)
        run_program(filled(command, {"in": str(source), "dir": str(stems), "background": str(background)}), _LIMIT_S, _WHAT)
        found = background if background.is_file() else _without_voices(stems, command[0])
        info = probe(found)
        if not info.has_audio or abs(float(info.duration_s) - samples / job.sound_rate) > _MOST_DIFFERENCE_S:
            seconds = f"{float(info.duration_s):.2f} s" if info.has_audio else "no sound"
            raise InputError(f"{_WHAT} wrote another sound", expected=f"{samples / job.sound_rate:.2f} s", found=seconds)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_speech_pieces(target, iter_sound_at(found, job.sound_rate), job.sound_rate, info.audio_channels)
    return target


def _without_voices(folder: Path, program: str) -> Path:
    """Return the file without voices among what a program wrote in a folder and those inside it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for name in _WITHOUT_VOICES:
        for path in files:
            if path.stem.lower() == name:
                return path
    written = ", ".join(path.name for path in files[:_MOST_NAMED]) or "nothing"
    raise InputError(
        f"{_WHAT} wrote no file without voices",
        path=program,
        expected=f"{', '.join(_WITHOUT_VOICES)}, or {{background}}",
        found=written,
    )
