"""Synthesisers that no training hears: how their programs are asked, and what is told where one is missing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, UsageError
from recipes.demo.voices import others
from recipes.demo.voices.cast import cast, say
from recipes.demo.voices.others import PROGRAMS, OtherVoice

_STAND_IN = """
import sys, wave
from pathlib import Path
words = sys.argv[1:]
out = words[next(n for n, word in enumerate(words) if word in ("-o", "-w")) + 1]
if any("nobody" in word for word in words):
    sys.exit("there is nobody of this name")
last = words[-1] if not words[-1].endswith(".txt") else Path(words[-1]).read_text()
loud = b"" if "nothing" in words else (b"\\x00\\x10" + b"\\x00\\xf0") * 80
with wave.open(out, "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    file.writeframes(loud * len(last.strip()) or bytes(320))
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that say 10 ms for each letter of a text."""
    for program in PROGRAMS.values():
        path = tmp_path / program.name
        path.write_text(f"#!{sys.executable}\n{_STAND_IN}")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    others.is_here.cache_clear()
    return tmp_path


def test_each_synthesiser_says_the_text(programs: Path) -> None:
    voices = cast().other_voices
    assert voices.keys() == PROGRAMS.keys()
    for own in voices.values():
        for voice in own:
            spoken = say("Where is it?", voice)
            assert (len(spoken.samples), spoken.rate, spoken.phonemes) == (12 * 160, 16000, ())
            assert np.abs(spoken.samples).max() > 0.1
        assert others.is_here(own)


def test_a_synthesiser_is_here_when_all_of_its_voices_speak(programs: Path) -> None:
    here, missing, silent = (OtherVoice("rhvoice", name) for name in ("alan", "nobody", "nothing"))
    assert others.is_here((here,))
    assert not others.is_here((here, missing))
    assert not others.is_here((here, silent))
    with pytest.raises(InputError, match="nobody: there is nobody of this name"):
        others.other_speech("Yes.", missing)

    (programs / PROGRAMS["pico"].name).unlink()
    assert not others.is_here((OtherVoice("pico", "en-US"),))
    with pytest.raises(InputError, match="apt-get install libttspico-utils"):
        others.other_speech("Yes.", OtherVoice("pico", "en-US"))
    with pytest.raises(UsageError, match="no such synthesiser"):
        others.other_speech("Yes.", OtherVoice("nobody", "en-US"))


def test_no_other_synthesiser_has_a_speaker_that_training_or_the_untouched_row_hears() -> None:
    named = {voice.name for own in cast().other_voices.values() for voice in own}
    assert not any(speaker in name for name in named for speaker in (cast().unheard_speaker.name, "kal", "awb", "rms"))
