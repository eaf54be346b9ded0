"""How fast a speaker speaks, and that a dub keeps it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avcore.speech.voice_activity import Region, SpeechActivity
from netflips.dubbing.rates import measure_rates, slower, spoken_in
from netflips.dubbing.sound import Sound
from netflips.script.types import Script, SpeakerOf, Text, TimeSpan, Utterance

SLOW = "I went to the station and then we saw the sea"  # 14 syllables as they are counted
REGIONS = [Region(0.0, 3.5), Region(4.5, 8.0), Region(9.0, 11.0), Region(12.0, 14.0), Region(15.0, 17.0)]


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Sound:
    monkeypatch.setattr(SpeechActivity, "regions", lambda self: REGIONS)
    return Sound(Path("sound.f32"), SpeechActivity(np.zeros(0, np.float32), np.zeros(0, np.float32), 0))


def script_of(*speakers: SpeakerOf, language: str = "en") -> Script:
    places = [(0.0, 8.0, "A"), (9.0, 11.0, "B"), (12.0, 14.0, "B"), (15.0, 17.0, "B")]
    said = (
        Utterance(k, TimeSpan(a, b), who, text=Text(SLOW * (1 + (who == "B")), language)) for k, (a, b, who) in enumerate(places)
    )
    return Script(source="en", target="ko", utterances=tuple(said), speakers=speakers or (SpeakerOf("A"), SpeakerOf("B")))


def test_the_rate_of_each_speaker_is_measured_where_there_is_enough_speech(sound: Sound) -> None:
    slow, fast = measure_rates(script_of(), sound).speakers
    assert (slow.rate, fast.rate) == (0.8, 1.25)  # of 7 s with 14 syllables, and of 6 s with 84
    assert measure_rates(script_of(), None).speakers[0].rate is None
    assert measure_rates(script_of(language="de"), sound).speakers[0].rate is None
    short = replace(script_of(), utterances=script_of().utterances[1:3])
    assert measure_rates(short, sound).speakers[1].rate is None


def test_the_rate_that_a_person_gives_stays(sound: Sound) -> None:
    given, measured = measure_rates(script_of(SpeakerOf("A", rate=1.1), SpeakerOf("B")), sound).speakers
    assert (given.rate, measured.rate) == (1.1, 1.25)


def test_durations_follow_the_rate_but_not_of_sound_that_is_kept() -> None:
    script = script_of(SpeakerOf("A", rate=0.8), SpeakerOf("B"))
    job = SimpleNamespace(options=SimpleNamespace(keep_sound=False))
    assert slower(script, job, "A") == pytest.approx(1.25)  # type: ignore[arg-type]
    assert slower(script, job, "B") == 1.0  # type: ignore[arg-type]
    job.options.keep_sound = True
    assert slower(script, job, "A") == 1.0  # type: ignore[arg-type]


def test_stretches_of_speech_are_cut_at_the_place(sound: Sound) -> None:
    assert spoken_in(sound, TimeSpan(3.0, 9.5)) == [(3.0, 3.5), (4.5, 8.0), (9.0, 9.5)]
