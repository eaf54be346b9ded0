"""Voices of a recording: speaker embeddings of the speech without its background, in groups of one person each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from avcore.arrays import Floats, Samples
from avcore.contracts import Speaker
from avcore.files import atomic_output
from avcore.journal import file_digest, key_of
from avcore.media import iter_sound_at
from avcore.speech.pitch import pitch_of, pitch_track
from avcore.speech.voice_activity import SpeechSettings
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.dubbing.background import spoken_spans, with_background
from netflips.dubbing.job import Job
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.dubbing.voices import embedded, mean_voice

SAME_VOICE = 0.80
"""Mean cosine between the voices of two groups of utterances at or above which they are one person's."""
_RELIABLE_S = 1.6
"""A window of the speaker encoder. A shorter utterance goes to the nearest voice."""
_STRANGER, _STRANGER_S = 0.66, 1.0
"""A short utterance below this cosine to all voices is a stranger's, such as a person who only asks briefly; a stranger needs so
many seconds of speech. In made talks, utterances of 0.6 to 1.6 s are at 0.71 to 0.94 to their own voice, and at 0.48 to 0.62 to the
other's."""
_SAME_PITCH = 0.14
"""The greatest difference in pitch (ln Hz) of two groups of one person."""
_ONE, _BOTH_LONG, _LONG_S = SAME_VOICE, 0.84, 6.0
"""Cosine between the means of two groups of alike pitch at or above which they are one; a higher one if both speak for longer than
the last number of seconds, because long means are more alike."""
_OVER_OTHERS, _OTHER_BACKGROUND_DB = 0.72, 4.0
"""Cosine for groups with different backgrounds, and the difference of the bands that makes them different. In made talks one
person with and without music was at 0.72 to 0.88 (bands 7 to 16 dB apart), two people at 0.71 at most."""
_MUCH = 0.2
"""Share of all speech at or above which somebody speaks much."""
_FINE = SpeechSettings(min_pause_s=0.1, min_speech_s=0.1, pad_s=0.03)
"""Settings that separate speech even where somebody answers at once."""
_CLEARLY = 0.06
"""By how much (cosine) a stretch must be more like one voice than any other for a turn to be recognized. In a made talk all
stretches of 0.5 s or more were so by 0.1 or more."""
_BLOCK = 1 << 20
_BANDS = np.geomspace(60, 7000, 17)
"""Edges in Hz of the bands by which backgrounds are compared."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Stretches of speech that sound like one person."""

    rows: tuple[tuple[Interval, Samples], ...]
    """each stretch with its voice, float32 [E]"""

    @cached_property
    def seconds(self) -> float:
        return sum(end - start for (start, end), _ in self.rows)

    @cached_property
    def mean(self) -> Samples:
        """Mean voice of the stretches that are long enough to be reliable, or of all if none is."""
        long = [voice for (start, end), voice in self.rows if end - start >= _RELIABLE_S]
        return np.asarray(np.mean(long or [voice for _, voice in self.rows], axis=0), np.float32)


@dataclass(frozen=True, eq=False)
class Voices:
    """The voices of a recording, compared without its background."""

    sound: Sound
    """the sound with its background"""
    store: Store
    digest: str
    """of the video"""
    encoder: Speaker
    """by which voices are compared"""
    separated: Callable[[], Path | None] = lambda: None
    """returns the background that a program separates; None: it is estimated"""

    def groups(self, places: Sequence[Interval]) -> list[int | None]:
        """Return which stretches sound like one person: a number for each, None without a voice.

        Groups of `group_voices` that are alike in voice and pitch are joined, the most alike first.
        """
        return self._groups(places)[1]

    def _groups(self, places: Sequence[Interval]) -> tuple[dict[int, _Group], list[int | None]]:
        voices = [self.voice(place) for place in places]
        # clusters of embeddings first; another background, or another way of speaking, may have split a person
        found = group_voices(voices, [place.seconds for place in places])
        rows = list(zip(places, voices, found, strict=True))
        groups = {
            number: _Group(tuple((place, voice) for place, voice, of in rows if of == number and voice is not None))
            for number in sorted({of for of in found if of is not None})
        }

        while pairs := [pair for pair in combinations(groups, 2) if self._are_one(*(groups[number] for number in pair))]:
            one, other = max(pairs, key=lambda pair: _cosine(groups[pair[0]].mean, groups[pair[1]].mean))
            groups[one] = _Group((*groups[one].rows, *groups.pop(other).rows))

        number_of = {place: number for number, group in groups.items() for place, _ in group.rows}
        return groups, [number_of.get(place) for place in places]

    def voice(self, place: Interval) -> Samples | None:
        """Return the voice between two times (s), float32 [E], None if there is too little speech."""
        made_of = (self.alone.path.name, *place, self.encoder.fingerprint)
        found = self.store.kept(np.ndarray, "voices", made_of, lambda: embedded(self.encoder, self.alone.between(*place)))
        return found if len(found) else None

    def mean(self, places: Sequence[Interval]) -> tuple[Samples | None, float]:
        """Return the mean voice of stretches that are long enough to be reliable, float32 [E] of unit length, and their seconds."""
        none = np.zeros(0, np.float32)
        reliable = [place for place in places if place.seconds >= _RELIABLE_S]
        mean, used = mean_voice(reliable, lambda place: none if (voice := self.voice(place)) is None else voice)
        return mean, sum(place.seconds for place in used)

    def pitch(self, places: Sequence[Interval]) -> float | None:
        """Return the median pitch of some stretches, ln Hz; None where hardly anything of them is voiced."""
        pitch = pitch_of(np.concatenate([self._pitch(place) for place in places]))
        return None if pitch is None else pitch.median

    def changes(self) -> list[float]:
        """Return the times (s) of turns, in the pauses between: so a question and its answer are not dubbed in one voice.

        Stretches that are too short, or like two voices, make no turn.
        """
        means, pieces = {number: group.mean for number, group in self._all.items()}, self.sound.activity.regions(_FINE)
        found, before, of_before = list[float](), 0, -1

        for place, piece in enumerate(pieces if len(means) > 1 else ()):
            voice = self.voice(piece)
            likeness = (
                [] if voice is None else sorted(((_cosine(mean, voice), number) for number, mean in means.items()), reverse=True)
            )
            if not likeness or likeness[0][0] < likeness[1][0] + _CLEARLY:
                continue
            of = likeness[0][1]
            if of_before not in (-1, of):  # stretches between the two, if any, were unclear: the longest pause is the turn
                between = zip(pieces[before:place], pieces[before + 1 : place + 1], strict=True)
                found.append(max((after.start_s - one.end_s, (one.end_s + after.start_s) / 2) for one, after in between)[1])
            before, of_before = place, of
        return found

    def is_strange(self, place: Interval) -> bool:
        """Return whether the voice of a stretch is of nobody who speaks much, or the stretch is too short to have one."""
        least = _MUCH * sum(group.seconds for group in self._all.values())
        voice = self.voice(place)
        return voice is None or all(_cosine(one.mean, voice) < _STRANGER for one in self._all.values() if one.seconds >= least)

    @cached_property
    def _all(self) -> dict[int, _Group]:
        """All groups of the recording."""
        return self._groups(self.sound.regions)[0]

    def _are_one(self, one: _Group, other: _Group) -> bool:
        """Return whether two groups are one person, split by the background or by the way of speaking."""
        likeness = _cosine(one.mean, other.mean)
        if likeness < _OVER_OTHERS:
            return False

        # Music behind a voice moves its embedding, so less likeness is asked for where the backgrounds differ.
        least = _BOTH_LONG if min(one.seconds, other.seconds) >= _LONG_S else _ONE
        if likeness < least and _difference(self._background(one), self._background(other)) < _OTHER_BACKGROUND_DB:
            return False

        # Such a likeness is not enough by itself: the pitch must agree, too.
        first, second = (self.pitch([place for place, _ in group.rows]) for group in (one, other))
        return first is not None and second is not None and abs(first - second) <= _SAME_PITCH

    def _background(self, group: _Group) -> Floats:
        """Return the background of a group: float64 [16], dB in each of _BANDS."""
        behind = [self.sound.between(*place) - self.alone.between(*place) for place, _ in group.rows]
        return np.asarray(np.mean([_band_levels(one) for one in behind], axis=0))

    def _pitch(self, place: Interval) -> Samples:
        made_of = (self.digest, *place)
        return self.store.kept(np.ndarray, "pitch", made_of, lambda: pitch_track(self.sound.between(*place)))

    @cached_property
    def alone(self) -> Sound:
        """The speech without its background."""
        return without_background(self.sound, self.store, self.digest, self.separated())


def voices_of(job: Job, sound: Sound) -> Voices:
    """Return the voices of a recording."""
    return Voices(
        sound,
        job.store,
        job.digest,
        job.models.likeness_encoder,
        lambda: job.background if job.options.separation_command else None,
    )


def without_background(sound: Sound, store: Store, digest: str, separated: Path | None) -> Sound:
    """Return the speech of a recording without its background, made once and kept.

    digest: of the video. separated: its background in a file; None: it is estimated from the seconds around each stretch of speech.
    """
    key = key_of("voices alone", digest, None if separated is None else file_digest(separated))
    stored = store.find_file("sound", key, ".f32")
    if stored is None:
        with store.new_file("sound", key, ".f32") as stored, atomic_output(stored) as temporary, temporary.open("wb") as file:
            for voices in _voices_alone(sound, separated):
                file.write(np.ascontiguousarray(voices, np.float32).tobytes())
    return Sound(stored, sound.activity)


def _voices_alone(sound: Sound, separated: Path | None) -> Iterator[Samples]:
    """Yield blocks of a whole sound without its background, float32 [S] at 16 kHz."""
    total = sound.activity.num_samples
    if separated is None:
        blocks = (sound.read(start, min(start + _BLOCK, total))[:, None] for start in range(0, total, _BLOCK))
        yield from (
            both[:, 0] - both[:, 1] for both in with_background(blocks, spoken_spans(sound.regions, SAMPLE_RATE), SAMPLE_RATE)
        )
        return

    done = 0
    for block in iter_sound_at(separated, SAMPLE_RATE):
        behind = block.mean(axis=1, dtype=np.float32)[: total - done]
        yield sound.read(done, done + len(behind)) - behind
        done += len(behind)
    yield sound.read(done, total)


def group_voices(voices: Sequence[Samples | None], seconds: Sequence[float]) -> list[int | None]:
    """Return which utterances sound like one person: a number for each, from 1 in order of appearance; None without a voice.

    voices: of the utterances, float32 [E]; seconds: their lengths. Voices are joined while the mean cosine between two groups is
    `SAME_VOICE` or more (average linkage). Short utterances go to the nearest group, or to strangers.
    """
    rows = {k: voice for k, voice in enumerate(voices) if voice is not None}
    labels, means = dict[int, int](), list[Samples]()

    def group(numbers: Sequence[int], likeness: float, least_s: float = 0.0) -> None:
        found = _clusters([rows[k] for k in numbers], likeness)
        for label in dict.fromkeys(found):
            members = [k for k, of in zip(numbers, found, strict=True) if of == label]
            if sum(seconds[k] for k in members) >= least_s:
                labels.update(dict.fromkeys(members, len(means)))
                means.append(np.mean([rows[k] for k in members], axis=0))

    # Short embeddings are noisy: they found no group, unless they are far from all.
    group([k for k in rows if seconds[k] >= _RELIABLE_S], SAME_VOICE)
    short = [k for k in rows if k not in labels]
    strange = [k for k in short if all(_cosine(mean, rows[k]) < _STRANGER for mean in means)]
    group(strange, _STRANGER, _STRANGER_S if means else 0.0)
    for k in short:
        labels.setdefault(k, max(range(len(means)), key=lambda label: _cosine(means[label], rows[k])))

    order = {label: number for number, label in enumerate(dict.fromkeys(labels[k] for k in rows), 1)}
    return [order[labels[k]] if k in rows else None for k in range(len(voices))]


def _clusters(voices: Sequence[Samples], likeness: float) -> list[int]:
    """Return a label for each voice. Groups are joined while the mean cosine between them is `likeness` or more."""
    if len(voices) < 2:
        return [1] * len(voices)
    from scipy.cluster.hierarchy import fcluster, linkage  # slow to import; a short clip does without

    return [int(label) for label in fcluster(linkage(np.stack(voices), "average", "cosine"), 1 - likeness, "distance")]


def _band_levels(samples: Samples) -> Floats:
    """Return the level of a sound in each of _BANDS, float64 [16] in dB."""
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2 / max(len(samples), 1) ** 2
    edges = (_BANDS * len(samples) / SAMPLE_RATE).astype(int)
    # In a short sound low bands share a bin: each gets one at least, for an empty band would look like silence.
    sums = [power[start : max(stop, start + 1)].sum() for start, stop in pairwise(edges.tolist())]
    return np.asarray(10 * np.log10(np.array(sums) + 1e-12))


def _difference(one: Floats, other: Floats) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


def _cosine(one: Samples, other: Samples | None) -> float:
    if other is None:
        return -1.0
    return float(one @ other) / max(float(np.linalg.norm(one)) * float(np.linalg.norm(other)), 1e-9)
