"""Whether a dub that checks itself finds what is planted in it, and how much longer it takes.

    python -m recipes.demo.evaluate.planted FOLDER --talks 4

Recordings of two made voices are dubbed by the bundle, sentences that no training saw: as they are, and with a fault in every
second utterance: its longest word left out or said five times, in one of four another voice; or in all of them: lips that never
close, the original as the background. What is told of the others is a false alarm.
"""

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import numpy as np

from avcore.arrays import Samples
from avcore.command import LOG
from avcore.contracts import SpeakerVoice
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.media import VideoWriter, write_speech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from avcore.units import Units
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import RunOptions, bundle_paths
from netflips.models import Models, load_models
from netflips.script.files import write_script
from netflips.script.types import Fault, Script, SpeakerOf, TimeSpan, Utterance, WrittenText
from recipes.demo.evaluate.material import synthesised_speech
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion
from recipes.demo.voices.cast import cast, held_out_pairs
from text2unit.stage import SPELLER
from unit2av.lipsync.backend import LipSyncChoice
from unit2av.lipsync.mesh.table import MouthTable


class Planted(NamedTuple):
    """What is planted. found_as: faults of a check that count as having found it. places: in which utterances, from 0."""

    found_as: frozenset[Fault]
    places: Collection[int]


PLANTED: Final = {
    "nothing": Planted(frozenset(), ()),
    "missing word": Planted(frozenset({"missing", "misheard", "unheard"}), range(1, 8, 2)),
    # five words do not fit the time of one
    "loop": Planted(frozenset({"repeated", "missing", "misheard", "unheard", "hurried"}), range(1, 8, 2)),
    "wrong voice": Planted(frozenset({"voice"}), (2, 5)),  # one of each speaker's four
    "open lips": Planted(frozenset({"open_lips"}), range(8)),
    "original left in": Planted(frozenset({"leak"}), range(8)),
}
_SENTENCES, _PAUSE_S, _LEAST_LETTERS = 8, 1.2, 12
_HEIGHT, _WIDTH = 240, 320


@dataclass(frozen=True)
class Talk:
    """A recording, its sound, and what is to be said in it, by somebody who is seen or by nobody, who is quicker to dub."""

    video: Path
    sound: Path
    script: Path
    unseen: Path


def make_talk(folder: Path, seed: int) -> Talk:
    """Write a recording of two voices in turn, with a head that talks; sentences of the phrasebook that no training saw."""
    rng, pairs = np.random.default_rng([68, seed]), held_out_pairs()
    long = [one for one in pairs if sum(map(str.isalnum, one.korean)) >= _LEAST_LETTERS]
    quiet = np.zeros(seconds_to_samples(_PAUSE_S), np.float32)
    voices, parts, utterances = (cast().unheard_natural(rng), cast().unheard_voice("en", rng)), [quiet], list[Utterance]()
    for number, place in enumerate(rng.choice(len(long), _SENTENCES, replace=False).tolist()):
        sound = synthesised_speech(long[place].english, voices[number % 2])
        start = float(samples_to_seconds(sum(map(len, parts))))
        end, who = start + float(samples_to_seconds(len(sound))), f"speaker {number % 2 + 1}"
        utterances.append(Utterance(number + 1, TimeSpan(start, end), who, target=WrittenText(long[place].korean)))
        parts += [0.5 * sound / np.abs(sound).max(), quiet]
    whole = np.concatenate(parts).astype(np.float32) + rng.normal(0, 1e-3, sum(map(len, parts))).astype(np.float32)
    talk = Talk(folder / "talk.mp4", folder / "talk.wav", folder / "talk.json", folder / "unseen.json")
    write_speech(talk.sound, whole)
    script = Script("en", "ko", utterances=tuple(utterances))
    write_script(talk.script, script)
    nobody = tuple(SpeakerOf(f"speaker {number}", face="none") for number in (1, 2))
    write_script(talk.unseen, replace(script, speakers=nobody))
    head, poses = Head(seed), motion(seed, 64, Pose(scale=0.42))
    drawings = [draw(head, poses[at], MouthShape(0.4 - 0.4 * float(np.cos(at))), (_HEIGHT, _WIDTH)) for at in range(64)]
    with VideoWriter(talk.video, _WIDTH, _HEIGHT, FRAME_RATE, SAMPLE_RATE, preset="ultrafast") as writer:
        writer.write_sound(whole)
        for number in range(len(whole) * FRAME_RATE // SAMPLE_RATE):
            writer.write_picture(drawings[number // 2 % 64])
    return talk


class OtherVoices:
    """A vocoder that says some utterances in the voice that it spoke in before. Its other attributes are the vocoder's."""

    def __init__(self, vocoder: Any) -> None:
        self._vocoder, self._said, self._before = vocoder, dict[bytes, int](), list[SpeakerVoice]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vocoder, name)

    def iter_synthesize(self, units: Units, speaker: SpeakerVoice) -> Iterator[Samples]:
        """Yield the speech of units, as `UnitVocoder` does."""
        number = self._said.setdefault(units.ids.tobytes(), len(self._said))
        others = [one for one in self._before if not np.array_equal(one.vector, speaker.vector)]
        self._before.append(speaker)
        return self._vocoder.iter_synthesize(units, others[-1] if number in PLANTED["wrong voice"].places else speaker)  # type: ignore[no-any-return]


def planted_text(text: str, fault: str) -> str:
    """Return a text without its longest word, or with that said four times more."""
    words = text.split()
    longest = max(range(len(words)), key=lambda place: len(words[place]))
    again = [] if fault == "missing word" else [words[longest]] * 5
    return " ".join([*words[:longest], *again, *words[longest + 1 :]])


@contextmanager
def planted_words(models: Models, fault: str) -> Iterator[None]:
    """Within it the text-to-unit model says every second text as `planted_text` has it."""
    speller, said = models.other(SPELLER, "ko"), dict[str, int]()
    own = speller.units_of

    def units_of(text: str, language: str) -> Units:
        number = said.setdefault(text, len(said))
        return own(planted_text(text, fault) if number in PLANTED[fault].places else text, language)  # type: ignore[no-any-return]

    with patch.object(speller, "units_of", units_of):
        yield


def dubbed(models: Models, talk: Talk, folder: Path, fault: str, check: str) -> tuple[list[tuple[bool, bool]], float]:
    """Dub a recording with a fault; returns whether each utterance has it and was told of or repaired, and the dub's seconds."""
    folder.mkdir(parents=True)
    lips, background = LipSyncChoice("mesh"), None
    if fault == "open lips":
        table, path = MouthTable.load(bundle_paths().unit2av.parent / "mouth.npz"), folder / "open.npz"
        bias = np.array([0.5, 0, 0], np.float32)
        replace(table, weights=np.zeros_like(table.weights), filter=np.zeros_like(table.filter), bias=bias).save(path)
        lips = LipSyncChoice("mesh", {"mouth_table": path})
    if fault == "original left in":
        background = talk.sound
    voices: Any = OtherVoices(models.vocoder) if fault == "wrong voice" else models.vocoder
    models = replace(models, vocoder=voices)
    words = planted_words(models, fault) if fault in ("missing word", "loop") else nullcontext()
    script_in = talk.script if fault == "nothing" else talk.unseen
    asked: Any = {"check": check, "script_in": script_in, "background_audio": background, "modalities": "audio", "lips": lips}
    begun = time.perf_counter()
    with words:
        script = dub(talk.video, folder / "dub.mp4", models, DubOptions(timing="source", **asked))
    seconds, rows = time.perf_counter() - begun, list[tuple[bool, bool]]()
    for place, one in enumerate(script.told):
        is_planted = place in PLANTED[fault].places
        if fault == "open lips" and all(told.closed is None for told in one.tries):
            continue  # it has no b, m or p
        faults = {name for told in one.tries for name in told.faults}
        rows.append((is_planted, bool(faults & PLANTED[fault].found_as if is_planted else faults)))
        if is_planted != rows[-1][1]:
            LOG.info("%s, %s, utterance %d: %s", fault, folder, one.number, one.tries)
    return rows, seconds


@dataclass(frozen=True, kw_only=True)
class PlantedOptions(QuietOptions):
    """Measure whether a dub that checks itself finds what is planted in it."""

    folder: Path = positional("FOLDER")
    """an empty folder for recordings and dubs"""
    talks: int = flag(default=4)
    """recordings of 8 utterances (default: 4)"""
    faults: tuple[str, ...] = flag(default=tuple(PLANTED), choices=PLANTED)
    """what is planted (default: all)"""


def _work(options: PlantedOptions) -> None:
    models, talks = load_models(bundle_paths(), "en", "ko", RunOptions("cpu")), []
    for number in range(options.talks):
        (options.folder / str(number)).mkdir(parents=True)
        talks.append(make_talk(options.folder / str(number), number))
    for fault in options.faults:
        made = [dubbed(models, talk, talk.video.parent / fault, fault, "repair") for talk in talks]
        rows, seconds = [row for found, _ in made for row in found], sum(took for _, took in made)
        planted, others = ([found for is_planted, found in rows if is_planted == which] for which in (True, False))
        counts = sum(planted), len(planted), sum(others), len(others)
        LOG.info("%s: %d of %d told or repaired; %d of %d others told", fault, *counts)
        if fault == "nothing":
            plain = sum(dubbed(models, talk, talk.video.parent / "off", fault, "off")[1] for talk in talks)
            LOG.info("time: %.1f s, %.1f s without a check: %.2f times", seconds, plain, seconds / plain)


_COMMAND = Command(PlantedOptions, "planted", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
