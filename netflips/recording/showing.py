"""The pictures of the output, piece by piece, and the file that they go into."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from avcore.media import VideoJoiner, VideoWriter
from avcore.provenance import synthetic_comment
from avcore.runs.cache import key_of
from avcore.timeline import exact, seconds_to_samples
from netflips.recording.facepath import follow
from netflips.recording.finding import Found
from netflips.recording.finish import SoundPlan, mixed_sound, write_video
from netflips.recording.hearing import Samples, SpeechFile
from netflips.recording.job import Job
from netflips.recording.mouth import Talk, mouth_codes
from netflips.recording.pictures import Encoded, PictureFeed, Piece, Studio, piece_borders
from netflips.recording.plan import OutputClock, Placed
from netflips.recording.saying import Cue, spoken_in
from netflips.recording.scenes import Scenes
from netflips.recording.sound import Line


def require_writable_kind(job: Job) -> None:
    """Refuse at once what could not be written after hours: the kind of file, and so many channels. Raises OutputError."""
    info = job.info
    VideoWriter(job.out, info.width, info.height, info.frame_rate, job.sound_rate, job.num_channels)


def show(job: Job, found: Found, cues: Sequence[Cue], clock: OutputClock) -> list[Encoded]:
    """Draw and encode the pictures of the part, in pieces of which those that are there already are kept."""
    speaking = {cue.placed.utterance.number: cue for cue in cues if cue.placed is not None}
    feed = PictureFeed(job.source.path, found.part.start)
    studio = Studio(job.info, feed, clock, job.models.renderer, job.options.label, job.options.hard_paste)
    encoded, done = [], 0
    with job.clock.stage("pictures"):
        for start, stop in _pieces(job, found):
            inside = [cue for cue in speaking.values() if _overlaps(cue.placed, start, stop)]
            piece = Piece(start, stop, _key(job, found, start, stop, inside))
            placed = [cue.placed for cue in inside if cue.placed is not None]
            talk_of = partial(_talk, job, found.scenes, clock, speaking)
            made = studio.encode(piece, placed, talk_of, job.work)
            if made is not None:
                encoded.append(made)
                done += len(made.times)
            job.progress("pictures", done, max(job.info.num_frames, done) if found.part.is_all else None)
    return encoded


def join(job: Job, found: Found, cues: Sequence[Cue], clock: OutputClock, pieces: Sequence[Encoded]) -> VideoJoiner:
    """Write the output file. Nothing is there under its name unless all went well."""
    options = job.options
    comment = synthetic_comment(options.target, job.models.fingerprints.values(), options.source)
    part, settings = found.part, job.settings
    plan = SoundPlan(
        _lines(job, found.speech, cues, clock), settings.background, settings.background_audio, clock.at(part.stop), not part.is_all
    )
    with job.clock.stage("write"):
        return write_video(job.out, job.info, comment, pieces, mixed_sound(job.info, clock, plan))


def _pieces(job: Job, found: Found) -> list[tuple[Fraction, Fraction | None]]:
    part = found.part
    spans = [(exact(one.start_s), exact(one.end_s) + room) for one, room in found.wanted]
    borders: list[Fraction | None] = list(piece_borders(part.start, part.stop, spans))
    return list(zip(borders, [*borders[1:], None if part.is_all else part.stop], strict=True))  # type: ignore[arg-type]


def _overlaps(placed: Placed | None, start: Fraction, stop: Fraction | None) -> bool:
    return placed is not None and placed.end > start and (stop is None or placed.start < stop)


def _key(job: Job, found: Found, start: Fraction, stop: Fraction | None, inside: Sequence[Cue]) -> str:
    """The name of a piece: everything that its pictures depend on."""
    ends = [start == found.part.start, start, stop]
    if not inside:
        return key_of(job.digest, ends, job.options.label)
    cuts = [cut for cut in found.scenes.cuts if start - 1 <= cut and (stop is None or cut <= stop + 1)]
    drawing = [job.models.fingerprints["unit2av"], job.models.arithmetic, job.options.hard_paste]
    return key_of(job.digest, ends, job.options.label, cuts, drawing, [_facts(cue) for cue in inside])


def _facts(cue: Cue) -> list[object]:
    placed, listened = cue.placed, cue.listened
    if placed is None or listened is None:
        raise ValueError("an utterance that is left alone has no part in a picture")
    said = [placed.said.ids, placed.said.durations, cue.is_silent, listened.rest]
    return [*said, placed.start, placed.end, placed.held, cue.cast.face_key]


def _talk(job: Job, scenes: Scenes, clock: OutputClock, speaking: dict[int, Cue], number: int) -> Talk:
    cue = speaking[number]
    placed, listened = cue.placed, cue.listened
    if placed is None or listened is None or cue.is_silent is None:
        raise ValueError(f"utterance {number} is left alone")
    seconds = placed.end - placed.start + placed.held
    codes = mouth_codes(job.models.renderer, placed.said, cue.is_silent, listened.rest, seconds)
    return Talk(placed, clock.at(placed.start), follow(cue.cast.role.face, scenes), codes)


def _lines(job: Job, speech: SpeechFile | None, cues: Sequence[Cue], clock: OutputClock) -> list[Line]:
    lines = []
    for cue in cues:
        if cue.placed is None:
            continue
        placed, rate = cue.placed, job.sound_rate
        start = seconds_to_samples(clock.at(placed.start), rate)
        stop = start + seconds_to_samples(placed.utterance.seconds, rate)
        length = seconds_to_samples(placed.spoken, rate)
        lines.append(Line(start, stop, length, partial(_read, job, speech, cue, length)))
    return lines


def _read(job: Job, speech: SpeechFile | None, cue: Cue, length: int) -> Samples:
    spoken = spoken_in(job, speech, cue)
    if spoken is None:
        raise ValueError("an utterance that is left alone has no sound")
    return spoken.samples[:length]
