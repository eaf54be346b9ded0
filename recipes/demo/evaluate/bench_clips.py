"""The clips of `netflips evaluate bench`: English that may be shared, with the Korean text and the times of a right dub.

Heads are drawn and voices synthesised, with sentences that no training of the demo has. Portraits show the photograph by NASA that
comes with NetfLips, with lips moved by its own renderer. Each kind is a difficulty of real videos.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

import netflips
from avcore.arrays import Pixels, Samples
from avcore.files import private_folder, write_text
from avcore.journal import Rows, write_rows
from avcore.media import VideoWriter, write_speech
from avcore.progress import Progress, track
from avcore.speech.audio import resample
from avcore.speech.espeak import Phoneme
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_covering, samples_to_seconds
from netflips.evaluate.bench import CLIPS, MANIFEST
from netflips.subtitles.cues import Cue, srt_text
from recipes.demo.evaluate.material import head_of
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion, mouth_track
from recipes.demo.voices.cast import cast, held_out_pairs, require_synthesisers, say
from recipes.demo.voices.phrasebook import SentencePair

KINDS = ("plain", "music", "two", "cut", "turned", "pause", "portrait", "plain")
"""Difficulties of clips, in turn: none; music behind the voice; two people in one frame who take turns; a cut between two
sentences; a head turned by 0.6 radians; a pause within the sentence; a photograph; none."""
_OF_TWO = ("two", "cut")
_SIDE, _GAP_S, _AROUND_S, _PAUSE_S = 288, 0.9, 0.25, 0.7
_TURNED, _MUSIC_DB = 0.6, -18.0
_PORTRAIT = Path(__file__).resolve().parents[3] / "docs" / "clip" / "portrait.jpg"


@dataclass(frozen=True)
class Turn:
    """A sentence of a clip."""

    pair: SentencePair
    phonemes: tuple[Phoneme, ...]
    """at the clip's times"""
    start_s: float
    """when it begins in the clip"""
    end_s: float
    """when it ends"""


def make_clips(folder: Path, count: int, progress: Progress) -> None:
    """Make the clips that a folder does not have yet, each with Korean subtitles; then write their manifest."""
    require_synthesisers(with_flite=False, with_natural=True)
    (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    made = Rows[str](folder / CLIPS / "made.jsonl", "id", "source")
    made.repair()

    for number in track(range(count), "making clips", progress, count):
        kind = KINDS[number % len(KINDS)]
        name = f"{kind}_{number + 1}"
        if name not in made:
            turns = _make(folder / CLIPS / f"{name}.mp4", kind, number)
            write_text(
                folder / CLIPS / f"{name}.ko.srt", srt_text(Cue(turn.start_s, turn.end_s, (turn.pair.korean,)) for turn in turns)
            )

            line = {"id": name, "source": f"{CLIPS}/{name}.mp4", "kind": kind, "subtitles": f"{CLIPS}/{name}.ko.srt"}
            forms = [(turn.pair.korean, *(text for _, text in turn.pair.forms)) for turn in turns]
            first, *others = map(" ".join, product(*forms))  # with all forms of each sentence, also the shorter and longer ones
            text = " ".join(turn.pair.english for turn in turns)
            made.add([{**line, "text": text, "reference_text": first, "other_texts": others}])

    write_rows(folder / MANIFEST, list(made.values())[:count])


def _make(path: Path, kind: str, number: int) -> list[Turn]:
    """Make one clip; returns its sentences."""
    rng = np.random.default_rng([68, number])
    pairs = held_out_pairs()
    chosen = [pairs[int(place)] for place in rng.permutation(len(pairs))[: 2 if kind in _OF_TWO else 1]]
    voices = [cast().unheard_natural(rng) for _ in range(2)]

    turns, parts, at = list[Turn](), [np.zeros(round(_AROUND_S * SAMPLE_RATE), np.float32)], _AROUND_S
    for place, pair in enumerate(chosen):
        speech = say(pair.english, voices[place if kind == "two" else 0])
        samples, phonemes = resample(speech.samples, speech.rate, SAMPLE_RATE), speech.phonemes
        if kind == "pause":
            samples, phonemes = _with_pause(samples, phonemes)
        end = at + len(samples) / SAMPLE_RATE
        turns.append(Turn(pair, tuple((one, start + at, stop + at) for one, start, stop in phonemes), at, end))
        gap = _GAP_S if pair is not chosen[-1] else _AROUND_S
        parts += [samples, np.zeros(round(gap * SAMPLE_RATE), np.float32)]
        at = (sum(map(len, parts))) / SAMPLE_RATE

    sound = np.concatenate(parts)
    if kind == "portrait":
        with private_folder() as held:
            write_speech(held / "said.wav", sound)
            netflips.portrait(_PORTRAIT, path, speech=held / "said.wav")
        return turns

    sound = sound + _music(len(sound), rng) if kind == "music" else sound
    with VideoWriter(path, _SIDE * (2 if kind == "two" else 1), _SIDE, FRAME_RATE, SAMPLE_RATE) as writer:
        writer.write_sound(sound)
        for frame in _frames(kind, turns, frames_covering(samples_to_seconds(len(sound))), number):
            writer.write_rgb(frame)
    return turns


def _with_pause(samples: Samples, phonemes: Sequence[Phoneme]) -> tuple[Samples, tuple[Phoneme, ...]]:
    """Return speech and its phonemes with a silence at the quietest place in the middle."""
    step = SAMPLE_RATE // 50
    levels = np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(1)
    first, last = len(levels) * 3 // 10, len(levels) * 7 // 10
    place = (first + int(levels[first:last].argmin())) * step + step // 2

    moment = place / SAMPLE_RATE
    silence = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.float32)
    moved = tuple((name, start + _PAUSE_S * (start >= moment), end + _PAUSE_S * (start >= moment)) for name, start, end in phonemes)
    return np.concatenate([samples[:place], silence, samples[place:]]), moved


def _music(length: int, rng: np.random.Generator) -> Samples:
    """Return chords of a slow organ, at about a quarter of a voice's level: float32 [length]."""
    times, sound = np.arange(length) / SAMPLE_RATE, np.zeros(length)
    for number in range(int(times[-1]) + 1):
        root = 110.0 * 2 ** (int(rng.choice([0, 3, 5, 7, 10])) / 12)
        here = (times >= number) & (times < number + 1)
        beat = times[here] - number
        chord = sum(np.sin(2 * np.pi * root * ratio * beat) / ratio for ratio in (1, 1.25, 1.5, 2))
        sound[here] = chord * np.sin(np.pi * beat) ** 0.5
    return np.asarray(sound * 10 ** (_MUSIC_DB / 20) / 2, np.float32)


def _frames(kind: str, turns: Sequence[Turn], num_frames: int, number: int) -> Iterator[Pixels]:
    """Yield a clip's frames, uint8 [288, 288 or 576, 3]."""
    seeds = [cast().unheard_head(2 * number + 100), cast().unheard_head(2 * number + 101)]
    yaw = _TURNED * (1 if number % 2 else -1) if kind == "turned" else 0.0
    around = [Pose(yaw=yaw, scale=0.46), Pose(yaw=-yaw, scale=0.4 if kind == "two" else 0.62, shift=(-0.08, 0.05))]
    poses = [motion(seed, num_frames, one) for seed, one in zip(seeds, around, strict=True)]
    phonemes_of = (
        [turn.phonemes for turn in turns] if kind == "two" else [tuple(phoneme for turn in turns for phoneme in turn.phonemes)] * 2
    )
    mouths = [mouth_track(phonemes, num_frames, "en") for phonemes in phonemes_of]
    cut = (turns[0].end_s + turns[-1].start_s) / 2 * FRAME_RATE

    for frame in range(num_frames):

        def shown(whose: int, pose: int, frame: int = frame) -> Pixels:
            opening, width = mouths[whose]
            shape = MouthShape(float(opening[frame]), float(width[frame]))
            return draw(head_of(seeds[whose]), poses[pose][frame], shape, (_SIDE, _SIDE))

        if kind == "two":
            yield np.concatenate([shown(0, 0), shown(1, 1)], axis=1)
        else:
            yield shown(0, int(kind == "cut" and frame > cut))
