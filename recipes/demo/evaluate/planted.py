"""Whether a dub that checks itself finds what is planted in it, and how much longer it takes.

    python -m recipes.demo.evaluate.planted FOLDER --talks 4

Recordings of two made voices are dubbed by the bundle, sentences that no training saw: as they are, and with a fault in every
second utterance: its longest word left out or said five times, in one of four another voice; or in all of them: lips that never
close, the original as the background. What is told of the others is a false alarm.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from avcore.arrays import Samples
from avcore.command import LOG, Parser, add_quiet_options, run
from avcore.contracts import SpeakerVoice
from avcore.media import VideoWriter, write_speech
from avcore.speech.audio import resample
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from avcore.units import Units
from netflips.bundles.paths import bundle_paths
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import RunOptions
from netflips.models import Models, load_models
from netflips.script.files import write_script
from netflips.script.types import Fault, Script, SpeakerOf, TimeSpan, Utterance, WrittenText
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion
from recipes.demo.voices.cast import cast, held_out_pairs, say
from text2unit.stage import SPELLER
from unit2av.lipsync.backend import LipSyncChoice
from unit2av.lipsync.mesh.table import MouthTable

FOUND_AS: Final[dict[str, frozenset[Fault]]] = {
    "nothing": frozenset(),
    "missing word": frozenset({"missing", "misheard", "unheard"}),
    "loop": frozenset({"repeated", "missing", "misheard", "unheard", "hurried"}),
    "wrong voice": frozenset({"voice"}),
    "open lips": frozenset({"open_lips"}),
    "original left in": frozenset({"leak"}),
}
"""What is planted, and which faults of a check count as having found it: five words do not fit the time of one."""
_PLACES: Final = {
    "nothing": (),
    "missing word": range(1, 8, 2),
    "loop": range(1, 8, 2),
    "wrong voice": (2, 5),
    "open lips": range(8),
    "original left in": range(8),
}
"""In which utterances, from 0; another voice in one of each speaker's four."""
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
    voices, parts, utterances = (cast().unheard_natural(rng), cast().unheard_voice("en", rng)), [_quiet()], list[Utterance]()
    for number, place in enumerate(rng.choice(len(long), _SENTENCES, replace=False).tolist()):
        spoken = say(long[place].english, voices[number % 2])
        sound = resample(spoken.samples, spoken.rate, SAMPLE_RATE)
        start = float(samples_to_seconds(sum(map(len, parts))))
        end, who = start + float(samples_to_seconds(len(sound))), f"speaker {number % 2 + 1}"
        utterances.append(Utterance(number + 1, TimeSpan(start, end), who, target=WrittenText(long[place].korean)))
        parts += [0.5 * sound / np.abs(sound).max(), _quiet()]
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


def _quiet() -> Samples:
    return np.zeros(seconds_to_samples(_PAUSE_S), np.float32)


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
        return self._vocoder.iter_synthesize(units, others[-1] if number in _PLACES["wrong voice"] else speaker)  # type: ignore[no-any-return]


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
        return own(planted_text(text, fault) if number in _PLACES[fault] else text, language)  # type: ignore[no-any-return]

    with patch.object(speller, "units_of", units_of):
        yield


@dataclass(frozen=True)
class Count:
    """planted, found: faults; others, alarms: utterances without one, and what is told of them. seconds: of the dubs."""

    planted: int = 0
    found: int = 0
    others: int = 0
    alarms: int = 0
    seconds: float = 0.0


def count_talk(models: Models, talk: Talk, folder: Path, fault: str, check: str) -> Count:
    """Dub a recording with a fault, and count what is told of it or repaired."""
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
        is_planted = place in _PLACES[fault]
        if fault == "open lips" and all(told.closed is None for told in one.tries):
            continue  # it has no b, m or p
        faults = {name for told in one.tries for name in told.faults}
        rows.append((is_planted, bool(faults & FOUND_AS[fault]) if is_planted else bool(faults)))
        if is_planted != rows[-1][1]:
            LOG.info("%s, %s, utterance %d: %s", fault, folder, one.number, one.tries)
    planted, others = [found for is_planted, found in rows if is_planted], [found for is_planted, found in rows if not is_planted]
    return Count(len(planted), sum(planted), len(others), sum(others), seconds)


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="planted", description="Measure whether a dub that checks itself finds what is planted in it.")
    parser.add_argument("folder", type=Path, help="an empty folder for recordings and dubs")
    parser.add_argument("--talks", type=int, default=4, help=f"recordings of {_SENTENCES} utterances (default: 4)")
    parser.add_argument("--faults", nargs="+", choices=FOUND_AS, default=list(FOUND_AS), help="what is planted (default: all)")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    models, talks = load_models(bundle_paths(), "en", "ko", RunOptions("cpu")), []
    for number in range(options.talks):
        (options.folder / str(number)).mkdir(parents=True)
        talks.append(make_talk(options.folder / str(number), number))
    for fault in options.faults:
        counts = [count_talk(models, talk, talk.video.parent / fault, fault, "repair") for talk in talks]
        total = Count(*(sum(getattr(one, name) for one in counts) for name in Count.__dataclass_fields__))
        LOG.info(
            "%s: %d of %d told or repaired; %d of %d others told", fault, total.found, total.planted, total.alarms, total.others
        )
        if fault == "nothing":
            plain = sum(count_talk(models, talk, talk.video.parent / "off", fault, "off").seconds for talk in talks)
            LOG.info("time: %.1f s, %.1f s without a check: %.2f times", total.seconds, plain, total.seconds / plain)


if __name__ == "__main__":
    sys.exit(main())
