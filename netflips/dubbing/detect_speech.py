"""Voice activity detection: the sound of a video is decoded once, stored on the disk, and searched for speech."""

from dataclasses import dataclass, replace

from avcore.files import atomic_output
from avcore.journal import key_of
from avcore.media import MediaSource, iter_speech_blocks, probe
from avcore.notes import Note
from avcore.progress import Progress
from avcore.speech.voice_activity import SpeechActivity
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.sound import Sound, stored_sound
from netflips.dubbing.store import Store

_STEP = "sound"


@dataclass(frozen=True)
class _Listened:
    """What is kept of a sound beside its samples."""

    activity: SpeechActivity
    notes: tuple[Note, ...]
    """how it was read"""


def detect_speech(job: Job, given: MediaSource | None = None) -> Sound | None:
    """Return the stored sound of the video with its voice activity; None if the video has no sound track.

    given: a file whose speech is used in place of the video's. Raises MediaError.
    """
    if given is None and not job.info.has_audio:
        return None
    with job.clock.stage("read"):
        digest = job.digest if given is None else digest_of(probe(given))
        return kept_sound(given or job.info.source, digest, job.store, job.progress)


def kept_sound(source: MediaSource, digest: str, store: Store, progress: Progress) -> Sound:
    """Return the sound of a file with its voice activity, made or found; `source` has the notes of how it was read.

    digest: of the file, see `digest_of`.
    """
    key = key_of(digest)
    kept, stored = store.find(_Listened, _STEP, (key,)), store.find_file(_STEP, key, ".f32")
    if kept is None or stored is None:
        fresh = replace(source, notes=[])
        with store.new_file(_STEP, key, ".f32") as stored, atomic_output(stored) as temporary:
            activity = stored_sound(iter_speech_blocks(fresh), temporary, progress).activity
        kept = store.keep(_STEP, (key,), _Listened(activity, tuple(fresh.notes)))
    for note in kept.notes:
        source.note(note)
    return Sound(stored, kept.activity)
