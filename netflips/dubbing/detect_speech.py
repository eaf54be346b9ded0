"""Voice activity detection: the sound of a video is decoded once, stored on the disk, and searched for speech."""

from avcore.files import atomic_output
from avcore.journal import key_of
from avcore.media import MediaSource, iter_speech_blocks, probe
from avcore.progress import Progress
from avcore.speech.voice_activity import SpeechActivity
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.sound import Sound, stored_sound
from netflips.dubbing.store import Store

_STEP = "sound"


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
    """Return the sound of a file with its voice activity, made or found. digest: of the file, see `digest_of`."""
    key = key_of(digest)
    activity, stored = store.find(SpeechActivity, _STEP, (key,)), store.find_file(_STEP, key, ".f32")
    if activity is None or stored is None:
        with store.new_file(_STEP, key, ".f32") as stored, atomic_output(stored) as temporary:
            activity = stored_sound(iter_speech_blocks(source), temporary, progress).activity
        store.keep(_STEP, (key,), activity)
    return Sound(stored, activity)
