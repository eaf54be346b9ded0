"""Voice activity detection: the sound of a video is decoded once, stored on the disk, and searched for speech."""

from avcore.files import atomic_output
from avcore.journal import key_of
from avcore.media import MediaSource, iter_speech_blocks, probe
from avcore.speech.voice_activity import SpeechActivity
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.sound import Sound, stored_sound

_STEP = "sound"


def detect_speech(job: Job, given: MediaSource | None = None) -> Sound | None:
    """Return the stored sound of the video with its voice activity; None if the video has no sound track.

    given: a file whose speech is used in place of the video's. Raises MediaError.
    """
    source = given or job.info.source
    if given is None and not job.info.has_audio:
        return None
    with job.clock.stage("read"):
        key = key_of(job.digest if given is None else digest_of(probe(given)))
        activity, stored = job.store.find(SpeechActivity, _STEP, (key,)), job.store.find_file(_STEP, key, ".f32")
        if activity is None or stored is None:
            with job.store.new_file(_STEP, key, ".f32") as stored, atomic_output(stored) as temporary:
                activity = stored_sound(iter_speech_blocks(source), temporary, job.progress).activity
            job.store.keep(_STEP, (key,), activity)
        return Sound(stored, activity)
