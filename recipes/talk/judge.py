"""How well translations fit their time: dubs a synthetic talk of 60 sentences, with pauses inside sentences and two speakers.

    python -m recipes.talk.judge FOLDER
    python -m recipes.talk.judge FOLDER --speak-with "python -m netflips.cascade.kokoro" --count 20
    python -m recipes.talk.judge FOLDER --music music.ogg --laughs laugh1.ogg laugh2.ogg

A male and a female voice of flite speak the English; Whisper base recognizes both sides (`make judges`). The translators stand in
for real ones (`recipes.talk.stand_in`): one candidate for each sentence, several from a program, and several from a language model
with faults. Files in FOLDER are not made again.
"""

import shlex
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from avcore.arrays import Samples
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.media import read_speech
from avcore.notes import json_text, print_text
from avcore.speech.figures import phrases_of, spoken_seconds, syllables
from avcore.timeline import SAMPLE_RATE, Interval, seconds_to_samples
from netflips.commands.dub import main as dub
from netflips.evaluate.metrics.rhythm import pause_alignment
from netflips.quality_estimation import count_errors, spell
from netflips.recognizers.outside import recognizer_folder
from netflips.recognizers.whisper import open_whisper
from netflips.script.files import script_from
from netflips.script.targets import KeptOriginal
from netflips.script.types import Script
from netflips.script.utterance import NATURAL_SPEED
from recipes.talk.make import MadeTalk, Spoken, Truth, made_talk
from recipes.talk.stand_in import server
from unit2text.text import normalise_for_reading, word_errors

_SQUEEZED, _NATURAL = 0.8, 0.02
"""Duration scale below which speech is squeezed, and how far the length of natural speech may be off, as a share of it."""


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(QuietOptions):
    """Dub a made talk by several translators, and measure how it fits."""

    folder: Path = positional("FOLDER")
    """where the talk, the dubs and their scripts lie"""
    count: int = flag(default=60)
    """sentences of the talk (default: 60)"""
    roads: tuple[str, ...] = flag(default=("one", "program", "chat"), nargs="+", choices=("one", "program", "chat"))
    """translators (default: all)"""
    speak_with: str | None = flag(default=None, metavar="COMMAND")
    """program that speaks (default: the bundle's text-to-unit model)"""
    revoice: bool = flag(default=False)
    """as in netflips dub"""
    music: Path | None = flag(default=None, file=Input("the music"))
    """recording that is repeated under sentences 22 to 34"""
    music_db: float = flag(default=-20.0, metavar="DB")
    """how much louder than the speech it is (default: -20)"""
    laughs: tuple[Path, ...] = flag(default=(), nargs="+", file=Input("a laugh"), metavar="FILE")
    """recordings of laughs, put between the sentences"""


def _dubbed(options: JudgeOptions, talk: Path, road: str) -> Path:
    """Return the dub of the talk by a translator; its script lies beside it."""
    who = "bundle" if options.speak_with is None else "program" if options.revoice else "kept"
    out = options.folder / f"{talk.stem}_{road}_{who}.mp4"
    words = [
        str(talk), "-o", str(out), "--cascade", "--recognizer", str(recognizer_folder("judge-whisper")), "--from", "en", "--to",
        "ko", "--yes", "--quiet", "--report", str(out.with_suffix(".json")), "--work-dir", str(options.folder / "work"),
    ]  # fmt: skip
    words += [] if options.speak_with is None else ["--speak-with", options.speak_with]
    if options.revoice:
        (options.folder / "revoice.yaml").write_text("revoice: true\n", encoding="utf-8")
        words += ["--config", str(options.folder / "revoice.yaml")]
    program = f"{shlex.quote(sys.executable)} -m recipes.talk.stand_in{' --texts' if road == 'program' else ''}"

    with server() if road == "chat" else nullcontext(program) as translator:
        if not out.is_file() and dub([*words, "--translate-with", translator]):
            raise SystemExit(1)
    return out


def _share(values: Any) -> float:
    return round(float(np.mean((values >= NATURAL_SPEED[0] - 0.005) & (values <= NATURAL_SPEED[1] + 0.005))), 3)


def _as_in(script: Script, sound: Samples, original: Samples) -> tuple[float, float]:
    """Return how well pauses within utterances fit the original's (0 to 1), and the rank correlation of syllables per second."""
    pauses, rates = list[float](), list[tuple[float, float]]()
    for utterance in script.utterances:
        if utterance.fit is None or utterance.text is None or utterance.spoken is None:
            continue

        begin_s, place = utterance.fit.output.start_s, utterance.place
        spans = (begin_s, begin_s + utterance.fit.spoken_s), (place.start_s, place.end_s)
        made, source = (
            phrases_of(speech[slice(*map(seconds_to_samples, span))]) for speech, span in zip((sound, original), spans, strict=True)
        )
        alike = pause_alignment(made, source) if len(source) > 1 else None
        if isinstance(alike, float):
            pauses.append(alike)
        if made and source:
            rates.append(
                (syllables(utterance.spoken.text) / spoken_seconds(made), syllables(utterance.text.text) / spoken_seconds(source))
            )

    # Ranks, for Spearman's correlation.
    dub, source = np.argsort(np.argsort(np.array(rates), axis=0), axis=0).T
    return float(np.mean(pauses)), float(np.corrcoef(dub, source)[0, 1])


def _heard(script: Script, truth: Truth) -> dict[str, Any]:
    """Return figures on what was understood of the talk: words, speakers, laughs."""
    text, recognized = (
        normalise_for_reading(" ".join(texts))
        for texts in (
            (utterance.text.text for utterance in script.utterances if utterance.text is not None),
            (one.text for one in truth.spoken),
        )
    )
    wrong, words = word_errors(recognized, text)

    pairs = Counter(
        (max(truth.spoken, key=partial(_line_share_s, utterance.place)).speaker, utterance.speaker)
        for utterance in script.utterances
        if not any(utterance.place.shared_s(laugh) > 0.5 * utterance.place.seconds for laugh in truth.laughs)
    )
    names = {who: max(((n, name) for (person, name), n in pairs.items() if person == who))[1] for who, _ in pairs}
    dubbed = [
        utterance.place
        for utterance in script.utterances
        if utterance.fit is not None and not isinstance(utterance.target, KeptOriginal)
    ]
    kept = [laugh for laugh in truth.laughs if sum(place.shared_s(laugh) for place in dubbed) < 0.2 * laugh.seconds]
    return {
        "source words wrong": round(wrong / max(words, 1), 3),
        "people": len({utterance.speaker for utterance in script.utterances}),
        "utterances with the right one": round(sum(n for (who, name), n in pairs.items() if names[who] == name) / pairs.total(), 3),
        "laughs kept": f"{len(kept)} of {len(truth.laughs)}",
    }


def _line_share_s(place: Interval, line: Spoken) -> float:
    return place.shared_s(Interval(line.start_s, line.end_s))


def _of_all(counts: Any) -> float:
    return round(float(counts[0] / max(counts[1], 1)), 3)


def measured(script: Script, sound: Samples, original: Samples, truth: Truth, hear: Any) -> dict[str, Any]:
    """Return figures on how a dub fits its time; speed is natural length over length as spoken. hear: speech to text."""
    pauses, rate = _as_in(script, sound, original)
    rows = [(utterance, utterance.fit) for utterance in script.utterances if utterance.fit is not None and utterance.fit.slot]
    counts = {True: np.zeros(2, int), False: np.zeros(2, int)}  # wrong characters and all, by whether the length is the voice's own
    speeds = np.array([fit.speed for _, fit in rows])
    slots = np.array([fit.natural_s / fit.slot.length_s for _, fit in rows if fit.slot is not None])

    for utterance, fit in rows:
        span = slice(*(seconds_to_samples(at) for at in (fit.output.start_s, fit.output.start_s + fit.spoken_s)))
        texts = (hear(sound[span]), utterance.spoken.text if utterance.spoken is not None else "")
        is_natural = abs(fit.spoken_s - fit.natural_s) <= _NATURAL * fit.natural_s
        counts[is_natural] += count_errors(*(spell(text, script.target) for text in texts))

    return {
        "utterances": len(script.utterances),
        **_heard(script, truth),
        "spoken": len(rows),
        "speed 0.9 to 1.1": _share(speeds),
        "by itself 0.9 to 1.1 of the original": _share(slots),
        "squeezed below 0.8": round(float(np.mean([(fit.duration_scale or 1.0) < _SQUEEZED - 1e-3 for _, fit in rows])), 3),
        "characters wrong": _of_all(counts[True] + counts[False]),
        "of those as long as the voice makes them": _of_all(counts[True]),
        "pauses inside as the original's": round(pauses, 3),
        "syllables a second as the original's": round(rate, 3),
    }


def _work(options: JudgeOptions) -> None:
    talk = made_talk(options.folder, options.count, options.music, options.music_db, options.laughs)
    ear = open_whisper(recognizer_folder("judge-whisper"), "cpu")
    for road in options.roads:
        out = _dubbed(options, talk.path, road)
        print_text(json_text({"road": road, **measured_dub(out, talk, ear)}))


def measured_dub(out: Path, talk: MadeTalk, ear: Any) -> dict[str, Any]:
    """Return the figures of a dub of a talk, whose report lies beside it. ear: a speech recognizer."""
    from avcore.texts import read_json

    script = script_from(read_json(out.with_suffix(".json"), "the report"))
    dub, original = read_speech(out, SAMPLE_RATE), read_speech(talk.path, SAMPLE_RATE)
    return measured(script, dub, original, talk.truth, lambda samples: ear.transcribe(samples, "ko").text)


_COMMAND = Command(JudgeOptions, "python -m recipes.talk.judge", _work)

build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
