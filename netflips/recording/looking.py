"""Look for the faces in each wanted utterance, or find in the work folder what was seen."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from avcore.compute.memory import release_freed_memory
from avcore.progress import silent
from avcore.runs.cache import WorkFolder, key_of
from avcore.timeline import exact, frames_covering, frames_to_units, units_to_samples
from netflips.dub.utterances import Utterance
from netflips.recording.faces import Lips
from netflips.recording.finding import Found
from netflips.recording.job import Job
from netflips.recording.sightings import Sightings, look_for_faces
from netflips.recording.translating import frames_of

_STAGE, _LIPS = "faces", "lips"


@dataclass(frozen=True)
class Look:
    """What was seen in an utterance and as far behind it as it may go. key: the name of that work."""

    sightings: Sightings
    key: str

    def lips(self, tracks: Collection[int], work: WorkFolder) -> Lips:
        """The lips of chosen tracks, uint8 [T, 96, 96]; they are kept apart, because they are large."""
        kept = work.read_arrays(_LIPS, self.key)
        if kept is None:
            raise KeyError("lips that are not kept")
        return self.sightings.lips(tracks, kept["crops"])


def look(job: Job, found: Found, is_wanted: bool) -> list[Look]:
    """Look for all faces in the watched utterances; is_wanted: False = somebody else knows where they are."""
    wanted, looks = found.watched, []
    for done, (one, room) in enumerate(wanted):
        job.progress("faces", done, len(wanted))
        looks.append(_look(job, found, one, room) if is_wanted else Look(Sightings(frames_of(one)[0], 0, 0, ()), ""))
    job.progress("faces", len(wanted), len(wanted))
    return looks


def _look(job: Job, found: Found, one: Utterance, room: Fraction) -> Look:
    start, own_stop = frames_of(one)
    stop = min(frames_covering(exact(one.end_s) + room), len(job.source))
    key = key_of(job.digest, start, own_stop, stop)
    kept = job.work.find_arrays(_STAGE, key)
    if kept is None or not job.work.has(_LIPS, key):
        samples = [units_to_samples(frames_to_units(edge)) for edge in (start, stop)]
        speech = None if found.speech is None else found.speech.read(*samples)
        own = min(own_stop, stop) - start
        sightings, crops = look_for_faces(job.source, start, stop, own, speech, silent)
        job.work.keep_arrays(_LIPS, key, {"crops": crops})
        kept = job.work.keep_arrays(_STAGE, key, sightings.as_arrays())
        release_freed_memory()  # threads that come and go leave it in pieces, more of them with each utterance
    return Look(Sightings.from_arrays(kept), key)
