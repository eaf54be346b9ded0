"""The voices that come with the bundle by name, measured once on recordings of the Korean teacher.

    python -m recipes.demo.recipe.named_voices voices.npz

Each is the mean vector and the pitch of a style, or of a point between two, over a few sentences of the vocoder's training.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.command import LOG
from avcore.contracts import SpeakerVoice
from avcore.files import Output
from avcore.flags import Command, QuietOptions, positional
from avcore.progress import Progress, bars, silent, track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from netflips.cascade.kokoro import NaturalVoice, natural_speech
from recipes.demo.voices.cast import cast, training_pairs
from unit2av.speaker import SpeakerEncoder, voice_of
from unit2av.voice.named import write_named_voices


def named_voices(progress: Progress = silent) -> dict[str, SpeakerVoice]:
    """Measure the voices of the cast, the default first. Raises InputError where the natural voices are not installed."""
    own, encoder = cast().settings["named"], SpeakerEncoder.from_checkpoint()
    pairs = training_pairs()
    texts = [pair.korean for pair in pairs[:: len(pairs) // own["takes"]][: own["takes"]]]

    found = dict[str, SpeakerVoice]()
    for name, shares in track(own["voices"].items(), "voices", progress, len(own["voices"])):
        voice = NaturalVoice(tuple(shares.items()), own["speed"], language="ko")
        takes = [natural_speech(text, voice) for text in texts]
        found[name] = voice_of(np.concatenate([resample(speech.samples, speech.rate, SAMPLE_RATE) for speech in takes]), encoder)

    return found


@dataclass(frozen=True, kw_only=True)
class NamedVoicesOptions(QuietOptions):
    """Measure the voices that come with the bundle by name."""

    out_path: Path = positional("OUT", file=Output("the named voices"))
    """voices.npz beside the renderer"""


def _work(options: NamedVoicesOptions) -> None:
    with bars(options.quiet) as progress:
        voices = named_voices(progress)
    write_named_voices(options.out_path, voices)
    pitches = ", ".join(f"{name} {voice.pitch.hz:.0f} Hz" for name, voice in voices.items() if voice.pitch is not None)
    LOG.info("%s: %s", options.out_path, pitches)


_COMMAND = Command(NamedVoicesOptions, "recipes.demo.recipe.named_voices", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
