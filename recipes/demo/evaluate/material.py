"""Sources of the exam: clips of drawn heads that speak sentences, each made from its number alone.

A clip has sound and frames only; its reference stays here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np

from avcore.arrays import Samples
from avcore.media import VideoWriter
from avcore.speech.audio import resample
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_covering, samples_to_seconds
from netflips.recognizers.aligned import aligned_phonemes
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion, mouth_track
from recipes.demo.voices.cast import Voice, cast, held_out_pairs, say, training_pairs
from recipes.demo.voices.phrasebook import SentencePair

Kind = Literal["seen", "held_out", "new_faces", "speaker", "natural", "korean"]
MEANINGS: Mapping[Kind, str] = {
    "seen": "sentences of the training",
    "held_out": "other sentences",
    "new_faces": "other sentences, on heads and in poses that were never seen",
    "speaker": "other sentences, by the speaker that nothing heard",
    "natural": "other sentences, in natural voices",
    "korean": "other sentences, said in Korean",
}
"""Kinds of clips with their meaning. Voices are never those of the training."""
KINDS: tuple[Kind, ...] = tuple(MEANINGS)
SEED, SIDE = 20, 256
"""Seed of all random choices; side of the frames, in pixels."""

_TURNS, _BENDS, _TILTS, _SIZES = (0.28, 0.42), (0.13, 0.2), (0.04, 0.1), (0.4, 0.5)
"""Poses that are not in the training: how far heads are turned, bent and tilted as a whole (radians, beyond the training's), and
the width of the face as a share of the frame's side (below the training's)."""
_USUAL_SIZES = 0.5, 0.7


@dataclass(frozen=True)
class ClipPlan:
    """One clip."""

    pair: SentencePair
    voice: Voice
    head: int
    """seed of the head"""
    seed: int
    """seed of its movement"""
    around: Pose
    """its pose at rest"""
    language: str = "en"
    """the language that it speaks"""

    @property
    def text(self) -> str:
        """The text that it speaks."""
        return self.pair.english if self.language == "en" else self.pair.korean


def plan_clip(kind: Kind, index: int) -> ClipPlan:
    """Plan clip number `index` of a kind; the same numbers plan the same clip."""
    rng = np.random.default_rng([SEED, KINDS.index(kind), index])
    language = "ko" if kind == "korean" else "en"
    voice: Voice = cast().unheard_speaker
    if kind != "speaker":
        voice = cast().unheard_natural(rng) if kind == "natural" else cast().unheard_voice(language, rng)

    is_new = kind == "new_faces"
    head = cast().unheard_head(index) if is_new else int(rng.integers(cast().settings["heads"]))
    seed = int(rng.integers(1 << 31))

    if is_new:
        yaw, pitch, roll = (float(rng.uniform(*reach)) * (1 if rng.random() < 0.5 else -1) for reach in (_TURNS, _BENDS, _TILTS))
        around = Pose(yaw=yaw, pitch=pitch, roll=roll, scale=float(rng.uniform(*_SIZES)))
    else:
        around = Pose(scale=float(rng.uniform(*_USUAL_SIZES)))

    return ClipPlan(drawn_sentence(kind, index), voice, head, seed, around, language)


def drawn_sentence(kind: str, index: int) -> SentencePair:
    """Return the sentence of a clip: one of each template in turn, in random order, so that all templates have equal weight."""
    pairs = _in_turn(kind == "seen")
    return pairs[index % len(pairs)]


@cache
def _in_turn(is_known: bool) -> tuple[SentencePair, ...]:
    """Return sentences in rounds: each round has one of each template that has any left."""
    pairs = training_pairs() if is_known else held_out_pairs()
    rng = np.random.default_rng([SEED, 100])

    by_template: dict[int, list[SentencePair]] = {}
    for number in rng.permutation(len(pairs)):
        pair = pairs[int(number)]
        by_template.setdefault(pair.template, []).append(pair)

    rounds = zip_longest(*by_template.values())
    return tuple(pair for one in rounds for pair in one if pair is not None)


def write_clip(path: Path, plan: ClipPlan, side: int = SIDE) -> None:
    """Write the clip, 25 fps and 16 kHz, `side` pixels square.

    For a synthesiser that does not report the times of phonemes, those of the reference voice are aligned to its sound.
    """
    speech = say(plan.text, plan.voice)
    sound = resample(speech.samples, speech.rate, SAMPLE_RATE)
    phonemes = speech.phonemes or aligned_phonemes(say(plan.text, cast().reference(plan.language)), sound)
    num_frames = frames_covering(samples_to_seconds(len(speech.samples), speech.rate))
    openings, widths = mouth_track(phonemes, num_frames, plan.language)
    head, poses = head_of(plan.head), motion(plan.seed, num_frames, plan.around)

    with VideoWriter(path, side, side, FRAME_RATE, SAMPLE_RATE) as writer:
        writer.write_sound(sound)
        for pose, opening, width in zip(poses, openings, widths, strict=True):
            writer.write_rgb(draw(head, pose, MouthShape(float(opening), float(width)), side))


@lru_cache(8)
def head_of(seed: int) -> Head:
    """Return the head of a seed."""
    return Head(seed)


def synthesised_speech(text: str, voice: Voice) -> Samples:
    """Return a sentence in a voice, float32 [S] at 16 kHz."""
    speech = say(text, voice)
    return resample(speech.samples, speech.rate, SAMPLE_RATE)
