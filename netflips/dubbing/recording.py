"""A recording, read once and kept: its sound on the disk with the speech in it, its shots, and the notes of how it was read."""

from dataclasses import dataclass, field, replace

from avcore.files import atomic_output
from avcore.journal import key_of
from avcore.media import MediaInfo, iter_speech_blocks
from avcore.notes import Note
from avcore.progress import Progress
from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import exact
from netflips.dubbing.job import Job
from netflips.dubbing.shots import Shots, kept_shots
from netflips.dubbing.sound import Sound, stored_sound
from netflips.dubbing.store import Store

_STEP = "sound"


@dataclass(frozen=True)
class Recording:
    """A video or a sound file. What was found out of how it is read is in the notes of its source."""

    info: MediaInfo
    """streams, length and rates"""
    sound: Sound = field(default_factory=Sound.none)
    """mono at 16 kHz; a video without sound has none"""
    shots: Shots = field(default_factory=Shots)
    """where the video cuts; a sound file is one shot"""


@dataclass(frozen=True)
class _Listened:
    """What is kept of a sound beside its samples."""

    activity: SpeechActivity
    notes: tuple[Note, ...]
    """how it was read"""


def read(job: Job) -> Recording:
    """Read the job's recording: of the video the part that is dubbed, and what its last utterance may need behind it.

    Raises MediaError.
    """
    info, options, length_s = job.info, job.options, job.info.duration_s
    if options.end is not None:  # an utterance that begins in the part may end behind it
        length_s = min(length_s, exact(options.end) + exact(2 * options.utterance_length[1]))
    with job.clock.stage("read"):
        sound = sound_of(info, job.digest, job.store, job.progress)
    with job.clock.stage("faces"):
        return Recording(info, sound, kept_shots(info, length_s, job.store, job.digest, job.progress))


def sound_of(info: MediaInfo, digest: str, store: Store, progress: Progress) -> Sound:
    """Return the sound of a file with its voice activity, made or found; its source has the notes of how it was read.

    digest: of the file, see `digest_of`.
    """
    if not info.has_audio:
        return Sound.none()
    key = key_of(digest)
    kept, stored = store.find(_Listened, _STEP, (key,)), store.find_file(_STEP, key, ".f32")
    if kept is None or stored is None:
        fresh = replace(info.source, notes=[])
        with store.new_file(_STEP, key, ".f32") as stored, atomic_output(stored) as temporary:
            activity = stored_sound(iter_speech_blocks(fresh), temporary, progress).activity
        kept = store.keep(_STEP, (key,), _Listened(activity, tuple(fresh.notes)))
    for note in kept.notes:
        info.source.note(note)
    return Sound(stored, kept.activity)
