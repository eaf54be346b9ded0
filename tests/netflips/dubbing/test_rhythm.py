"""How fast a speaker speaks, and that a dub keeps it."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avcore.speech.voice_activity import Region, SpeechActivity
from netflips.dubbing import spell
from netflips.dubbing.rhythm import measure_rates, parted, pauses_in, slower, spoken_in
from netflips.dubbing.sound import Sound
from netflips.dubbing.timing import Pause
from netflips.script.types import Script, SpeakerOf, Text, TimeSpan, UnitList, Utterance

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
    given, measured = measure_rates(script_of(SpeakerOf("A", rate=1.1), SpeakerOf("B")), sound).speakers
    assert (given.rate, measured.rate) == (1.1, 1.25)


def test_durations_follow_the_rate_but_not_of_sound_that_is_kept() -> None:
    script = script_of(SpeakerOf("A", rate=0.8), SpeakerOf("B"))
    job = SimpleNamespace(options=SimpleNamespace(keep_sound=False))
    assert slower(script, job, "A") == pytest.approx(1.25)  # type: ignore[arg-type]
    assert slower(script, job, "B") == 1.0  # type: ignore[arg-type]
    job.options.keep_sound = True
    assert slower(script, job, "A") == 1.0  # type: ignore[arg-type]


def test_stretches_of_speech_are_cut_at_the_place_and_pauses_told(sound: Sound) -> None:
    assert spoken_in(sound, TimeSpan(3.0, 9.5)) == [(3.0, 3.5), (4.5, 8.0), (9.0, 9.5)]
    assert pauses_in(sound, TimeSpan(0.0, 8.0)) == [Pause(0.5, 50)]
    assert pauses_in(sound, TimeSpan(0.0, 4.0)) == []
    assert pauses_in(None, TimeSpan(0.0, 8.0)) == []


def test_a_text_is_parted_at_the_mark_next_to_a_pause() -> None:
    text = "가게들도 하나둘씩, 다시 왔고, 3.5배가 되었습니다."
    assert parted(text, [Pause(0.4, 20)]) == ["가게들도 하나둘씩,", "다시 왔고, 3.5배가 되었습니다."]
    assert parted(text, [Pause(0.4, 20), Pause(0.6, 20)]) == ["가게들도 하나둘씩,", "다시 왔고,", "3.5배가 되었습니다."]
    assert parted(text, [Pause(0.95, 20)]) == [text]  # no mark is near
    assert parted("가게들도 다시 왔습니다.", [Pause(0.5, 20)]) == ["가게들도 다시 왔습니다."]
    assert parted(text, []) == [text]


def test_a_mark_that_would_be_read_over_is_a_pause_where_the_original_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"가, 나": ((1, 2), (5, 5)), "가,": ((1,), (5,)), "나": ((2,), (5,)), "다, 라": ((1, 0, 2, 0), (5, 9, 5, 9))}
    monkeypatch.setattr(spell, "silence_of", lambda job, vocabulary: 0)
    monkeypatch.setattr(spell, "units_of_text", lambda job, text: UnitList(*known[text]))
    job = SimpleNamespace(models=SimpleNamespace(vocoder=SimpleNamespace(vocabulary="")))
    with_pauses = partial(spell._with_pauses, job)
    assert with_pauses("가, 나", []) == UnitList((1, 2), (5, 5))
    assert with_pauses("가, 나", [Pause(0.5, 30)]) == UnitList((1, 0, 2), (5, 13, 5))
    known["가,"] = (1, 0), (5, 7)
    assert with_pauses("가, 나", [Pause(0.5, 30)]) == UnitList((1, 0, 2), (5, 7, 5))  # it has one already
    known["나"] = (0, 2), (4, 5)
    assert with_pauses("가, 나", [Pause(0.5, 30)]) == UnitList((1, 0, 2), (5, 7, 5))
    assert with_pauses("다, 라", [Pause(0.5, 30)]) == UnitList((1, 0, 2, 0), (5, 9, 5, 9))  # so has all of it
