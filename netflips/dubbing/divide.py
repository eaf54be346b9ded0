"""Divide the speech into utterances, at pauses, cuts and changes of the speaker, unless a person's script has them already."""

import logging
import math
import tempfile
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avcore.errors import InputError
from avcore.media import write_speech_pieces
from avcore.notes import shown
from avcore.programs import command_key, filled, program_name, run_program
from avcore.texts import read_foreign_text
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.dubbing.job import Job
from netflips.dubbing.options import DIARIZE_WITH
from netflips.dubbing.preflight import no_speech
from netflips.dubbing.recognize import RecognizedSpeech
from netflips.dubbing.recording import Recording
from netflips.dubbing.segmentation import cut_utterances
from netflips.dubbing.sound import Sound
from netflips.dubbing.voice_groups import voices_of
from netflips.script.notes import NOISE_ONLY
from netflips.script.types import Script
from netflips.script.utterance import Utterance

LOG = logging.getLogger("netflips")


def divide(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in the utterances with their places, unless a person's script has them. A clip in a ping-pong loop is one utterance.

    A cut in a pause ends an utterance, and so does a change of the voice. If a diarization program is given, its turns take the
    place of changes of the voice, and name the speakers. Raises NoSpeechError, and InputError where that program fails.
    """
    options, sound, shots = job.options, recording.sound, recording.shots
    script = replace(script, cuts=shots.cuts, transitions=shots.transitions)
    if not script.is_source_timed:
        if script.utterances:
            return script
        if sound.is_there and not sound.regions and options.uses_audio and not options.is_speech_given:
            job.notes.add(NOISE_ONLY())
        return replace(script, utterances=(Utterance(1, Interval(0.0, float(job.info.duration_s))),))

    turns, command = tuple[Turn, ...](), options.diarization_command
    if command and sound.is_there:
        with job.clock.stage("voice"):
            made_of = (job.digest, command_key(command))
            turns = job.store.kept(tuple[Turn, ...], "turns", made_of, lambda: turns_by(command, sound))

    if script.utterances:
        return _named(script, turns)
    if not sound.regions:
        raise no_speech(job.info.source, job.schedule.without_speech, has_sound=sound.is_there)

    turned = changes(turns, sound.regions)
    if not turns and options.voice is None and not job.schedule.keeps_voice:
        with job.clock.stage("voice"):
            turned = voices_of(job, sound).changes()

    borders, wordless = [*shots.cuts, *turned], list[float]()
    if options.speech_in is None and (speech := job.road.recognized(job, sound)) is not None:
        with job.clock.stage("text"):
            end_s = speech.places[0].end_s if options.preview else options.end
            wordless = around_wordless(speech, options.start or 0.0, sound.activity.seconds if end_s is None else end_s)

    stretches, quietest = split_at(sound.regions, [*turned, *wordless]), sound.activity.quietest_s
    spans = cut_utterances(stretches, float(job.info.duration_s), [*borders, *wordless], options.utterance_length, quietest)
    return _named(replace(script, utterances=tuple(Utterance(k, span) for k, span in enumerate(spans, 1))), turns)


def around_wordless(speech: RecognizedSpeech, start_s: float, end_s: float) -> list[float]:
    """Return the middles (s) of the pauses before and after each stretch between start_s and end_s that is hardly words; its edges
    where there is no pause.

    A laugh becomes an utterance by itself, so that its sound can be kept.
    """
    heard = speech.between(start_s, end_s)
    places = [*speech.places, *(one.place for one in heard)]
    borders = list[float]()
    for start, end in (one.place for one in heard if one.is_hardly_words):
        before = max((other for _, other in places if other <= start), default=0.0)
        after = min((other for other, _ in places if other >= end), default=speech.sound.activity.seconds)
        borders += (before + start) / 2, (end + after) / 2
    return borders


def _named(script: Script, turns: "Sequence[Turn]") -> Script:
    """Fill in the speakers by the turns, where none is named yet."""
    named = (
        utterance if utterance.speaker else replace(utterance, speaker=speaker_in(utterance.place, turns))
        for utterance in script.utterances
    )
    return replace(script, utterances=tuple(named))


# The turns of a diarization program (diarize_with): RTTM, the format of pyannote and others

_WHAT = f"the program of {DIARIZE_WITH}"
_LIMIT_S = 24 * 3600.0
_MOST_BYTES, _MOST_NAME = 8 << 20, 60
_SLACK_S = 1.0
"""How far a turn may reach beyond the sound: programs round to their frames."""
_SHORTEST_S = 0.2
"""Shorter turns are dropped: they hold no word, and thousands of them would part speech into slivers."""
_TOUCHING_S = 0.05
"""Longest gap between two turns of a speaker that are one: programs round."""
_NEAR_S = 0.25
"""A change of the speaker so near an edge of speech is moved onto that edge."""
_BLOCK = 1 << 20


class Turn(NamedTuple):
    """A stretch of one person's speech."""

    start_s: float
    """in seconds of the sound, as the end"""
    end_s: float
    speaker: str
    """name that the program gives the person"""


def turns_by(command: Sequence[str], sound: Sound) -> tuple[Turn, ...]:
    """Return the turns that a diarization program finds in a sound, in order. Raises InputError where it fails or finds none."""
    LOG.info("finding who speaks when by %s", program_name(command))
    total = sound.activity.num_samples
    with tempfile.TemporaryDirectory(prefix="netflips-") as folder:
        source, out = Path(folder) / "sound.wav", Path(folder) / "turns.rttm"
        blocks = (sound.read(start, min(start + _BLOCK, total)) for start in range(0, total, _BLOCK))
        write_speech_pieces(source, blocks)
        printed = run_program(filled(command, {"in": str(source), "out": str(out)}), _LIMIT_S, _WHAT, most_bytes=_MOST_BYTES)
        text = read_foreign_text(out, "the file of turns", _MOST_BYTES)[0] if out.is_file() else printed.decode(errors="replace")
    return read_rttm(text, total / SAMPLE_RATE, command[0])


def read_rttm(text: str, seconds: float, path: str | Path) -> tuple[Turn, ...]:
    """Return the turns of RTTM, in order. seconds: length of the sound. path: for messages.

    Lines that are not turns are skipped: programs print other things, too. Turns of a speaker that touch are one, and those of less
    than 0.2 s are dropped then. Raises InputError for a turn with impossible times or an unprintable name, and if there is no turn.
    """
    turns = list[Turn]()
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        if not cells or cells[0] != "SPEAKER":
            continue
        try:
            start, length, name = float(cells[3]), float(cells[4]), cells[7]
        except (IndexError, ValueError):
            # Comparisons with NaN are false: such a line fails the same check as impossible times.
            start, length, name = math.nan, math.nan, ""

        is_inside = start >= 0 and length >= 0 and start + length <= seconds + _SLACK_S
        if not is_inside or not name.isprintable() or len(name) > _MOST_NAME:
            expected = f"SPEAKER file 1 START LENGTH <NA> <NA> NAME <NA> <NA>, in seconds up to {seconds:.2f}"
            raise InputError(f"line {number} of the turns cannot be read", path=path, expected=expected, found=shown(line)[:80])
        turns.append(Turn(start, start + length, name))

    if not turns:
        expected = "RTTM, in {out} or printed: SPEAKER file 1 START LENGTH <NA> <NA> NAME <NA> <NA>"
        raise InputError(f"{_WHAT} wrote no turns", path=path, expected=expected, found=shown(text.strip())[:80] or "nothing")
    if not (joined := [turn for turn in _joined(turns) if turn.end_s - turn.start_s >= _SHORTEST_S]):
        longest = max(turn.end_s - turn.start_s for turn in turns)
        what, expected = f"{_WHAT} wrote no turn that is long enough", f"{_SHORTEST_S:g} s or more"
        raise InputError(what, path=path, expected=expected, found=f"{len(turns)} turns of {longest:.3f} s at most")
    return tuple(sorted(joined))


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns in order, those of one speaker that touch or overlap as one."""
    found, last = list[Turn](), dict[str, int]()
    for turn in sorted(turns):
        place = last.get(turn.speaker)
        if place is not None and turn.start_s <= found[place].end_s + _TOUCHING_S:
            found[place] = found[place]._replace(end_s=max(found[place].end_s, turn.end_s))
        else:
            last[turn.speaker] = len(found)
            found.append(turn)
    return found


def changes(turns: Sequence[Turn], regions: Sequence[Interval]) -> list[float]:
    """Return the times (s) at which another speaker goes on: in the middle of the gap, or of the overlap, between two turns.

    turns: in order. A time just beside an edge of speech is moved onto the edge: no sliver of speech is cut off. A turn within
    another's changes nothing.
    """
    found, before = list[float](), None
    edges = np.array(regions, np.float64).ravel()
    for turn in turns:
        if before is not None and turn.end_s <= before.end_s:
            continue
        if before is not None and turn.speaker != before.speaker:
            time = (before.end_s + turn.start_s) / 2
            nearest = float(edges[np.abs(edges - time).argmin()]) if len(edges) else time
            time = nearest if abs(nearest - time) < _NEAR_S else time
            if not found or time - found[-1] >= _SHORTEST_S:
                found.append(time)
        before = turn
    return found


def split_at(regions: Sequence[Interval], times: Sequence[float]) -> list[Interval]:
    """Return stretches of speech, split at the times that lie within them."""
    found = list[Interval]()
    ordered = sorted(times)
    for start, end in regions:
        edges = [start, *ordered[bisect_right(ordered, start) : bisect_left(ordered, end)], end]
        found += map(Interval, edges, edges[1:])
    return found


def speaker_in(place: Interval, turns: Sequence[Turn]) -> str:
    """Return the speaker with the longest speech within a stretch of time; "" = nobody."""
    seconds: dict[str, float] = defaultdict(float)
    for one in turns[: bisect_left(turns, place.end_s, key=lambda turn: turn.start_s)]:
        if place.start_s < one.end_s:
            seconds[one.speaker] += min(one.end_s, place.end_s) - max(one.start_s, place.start_s)
    return max(seconds, key=lambda name: seconds[name], default="")
