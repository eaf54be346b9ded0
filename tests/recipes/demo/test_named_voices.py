"""The voices that come with the demo bundle: those of the cast, as its teacher says a few sentences."""

from pathlib import Path

import numpy as np
import pytest

from avcore.speech.espeak import TimedSpeech
from netflips.cascade.kokoro import NaturalVoice
from recipes.demo.recipe import named_voices
from recipes.demo.voices.cast import cast, held_out_pairs
from tests.avcore.made_speech import babble
from unit2av.voice.named import read_named_voices


def test_each_voice_of_the_cast_is_measured_on_training_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, NaturalVoice]] = []

    def spoken(text: str, voice: NaturalVoice) -> TimedSpeech:
        asked.append((text, voice))
        return TimedSpeech(babble(1.0, pitch=10 * len(voice.styles[0][0])), 16_000, (("a", 0.0, 1.0),))

    monkeypatch.setattr(named_voices, "natural_speech", spoken)
    assert named_voices.main([str(tmp_path / "voices.npz"), "--quiet"]) == 0
    own = cast().settings["named"]
    voices = read_named_voices(tmp_path / "voices.npz")
    assert list(voices) == list(own["voices"])
    assert len(asked) == own["takes"] * len(voices)
    assert {voice.language for _, voice in asked} == {"ko"}
    assert not {text for text, _ in asked} & {pair.korean for pair in held_out_pairs()}
    assert all(abs(np.linalg.norm(one.vector) - 1) < 1e-3 for one in voices.values())
