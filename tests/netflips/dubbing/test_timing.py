"""Utterances cut at pauses and cuts of the video; fitting speech into their places, as fast as the speaker speaks."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.speech.voice_activity import SpeechActivity, detect_activity
from avcore.timeline import Interval, exact
from netflips.dubbing.fit import Fitter, rested
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import OutputClock, exact_place, part_of, slack_of
from netflips.dubbing.segmentation import LENGTH, cut_utterances
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.dubbing.text_speech import TextToUnit
from netflips.dubbing.timing import (
    Pause,
    duration_scale,
    fit_as_it_is,
    fit_durations,
    measure_rates,
    parted,
    pauses_in,
    rest_at_pauses,
    scale_durations,
    spoken_in,
)
from netflips.script.targets import Text, UnitList
from netflips.script.types import Script, SpeakerOf
from netflips.script.utterance import TimeFit, Utterance
from tests.avcore.made_speech import talk
from tests.refusal import refused

SCALES = (0.8, 1.25)


@pytest.mark.parametrize(
    ("given", "start_s", "length_s", "wanted"),
    [
        ([(5, 20), (6, 30)], 0.4, 9.0, [(0, 20), (5, 20), (6, 30), (0, 380)]),  # speech of one second in a clip of nine
        ([(0, 5), (5, 20), (0, 7)], 0.4, 2.0, [(0, 20), (5, 20), (0, 60)]),  # its own rests are parts of these
        ([(0, 30), (5, 20)], 0.4, 2.0, [(0, 30), (5, 20), (0, 50)]),
        ([(5, 90)], 0.4, 2.0, [(0, 10), (5, 90)]),  # no room behind it
        ([(5, 100)], 0.4, 2.0, [(5, 100)]),
        ([(5, 120)], 0.4, 2.0, [(5, 120)]),  # longer speech takes as long as it takes
        ([(5, 20)], None, 1.0, [(5, 20), (0, 30)]),
        ([], 0.4, 2.0, []),
    ],
)
def test_a_clip_keeps_its_length(
    given: list[tuple[int, int]], start_s: float | None, length_s: float, wanted: list[tuple[int, int]]
) -> None:
    units = UnitList(tuple(unit for unit, _ in given), tuple(steps for _, steps in given), "v")
    sound: Any = SimpleNamespace(regions=[] if start_s is None else [Interval(start_s, start_s + 0.5)])
    found = rested(units, 0, sound, length_s)
    assert found.vocabulary == "v"
    assert list(zip(found.ids, found.durations or (), strict=True)) == wanted


@pytest.mark.parametrize("seed", range(10))
def test_scaled_durations_add_up_and_keep_their_shares(seed: int) -> None:
    durations = np.random.default_rng(seed).integers(1, 12, 80)
    for total in (80, 100, int(durations.sum()), int(durations.sum() * 1.25), 2000):
        scaled = scale_durations(durations, total)
        assert scaled.sum() == total
        assert scaled.min() >= 1
        if total >= durations.sum():
            assert np.abs(scaled - durations * total / durations.sum()).max() < 1
    assert (scale_durations(durations, int(durations.sum())) == durations).all()
    refused(ValueError, "79", scale_durations, durations, 79)


@pytest.mark.parametrize(
    ("slot", "pause", "steps"),
    [
        (100, 50, 100),  # fits
        (120, 50, 120),  # slower
        (150, 50, 125),  # as slow as may be, then silence
        (90, 0, 90),  # faster
        (90, 50, 100),  # a part of the pause first
        (75, 40, 93),
        (70, 20, 80),  # as fast as may be, then into the pause
        (70, 10, 80),
    ],
)
def test_pace_first_then_the_pause(slot: int, pause: int, steps: int) -> None:
    fit = fit_durations(np.full(20, 5), slot, pause, SCALES)
    assert (fit.steps, fit.overrun, fit.cut) == (steps, 0, 0)


def test_what_does_not_fit_is_held_for_or_hurried_and_counted() -> None:
    natural = np.full(20, 5)
    fit = fit_durations(natural, 50, 10, SCALES, may_freeze=True)
    assert (fit.steps, fit.overrun, fit.cut) == (80, 20, 0)
    fit = fit_durations(natural, 50, 10, SCALES)
    assert (fit.steps, fit.overrun, fit.cut, len(fit.durations)) == (60, 20, 0, 20)
    fit = fit_durations(np.full(20, 5), 10, 4, SCALES)
    assert (fit.durations == 1).all()
    assert (len(fit.durations), fit.steps, fit.cut, fit.overrun) == (14, 14, 6, 66)
    fit = fit_durations(np.full(20, 5), 10, 4, SCALES, may_freeze=True)
    assert (len(fit.durations), fit.cut, fit.overrun) == (20, 0, 66)


def test_people_rest_at_commas_as_far_as_there_is_room() -> None:
    natural, silent = np.array([2, 5, 11, 6, 7, 5, 3]), np.array([True, False, True, False, True, False, True])
    assert rest_at_pauses(natural, silent).tolist() == [2, 5, 13, 6, 13, 5, 3]  # not at the ends
    assert rest_at_pauses(natural, silent, 4).sum() <= natural.sum() + 4
    assert rest_at_pauses(natural, silent, 4)[4] > 7
    assert rest_at_pauses(natural, silent, -20).tolist() == natural.tolist()
    assert rest_at_pauses(natural, silent, scale=2.0)[2] == 26


def test_pauses_are_taken_over_where_the_translation_pauses_too() -> None:
    natural, silent = np.array([10, 5, 10, 5, 20]), np.array([False, True, False, True, False])  # pauses at 1/4 and 1/2
    assert rest_at_pauses(natural, silent, original=[Pause(0.55, 30)]).tolist() == [10, 13, 10, 30, 20]  # at the nearest
    assert rest_at_pauses(natural, silent, original=[Pause(0.5, 30), Pause(0.45, 40)]).tolist() == [10, 40, 10, 30, 20]
    assert rest_at_pauses(natural, silent, original=[Pause(0.9, 30)]).tolist() == [10, 13, 10, 13, 20]  # somewhere else
    assert rest_at_pauses(natural, silent, 20, original=[Pause(0.5, 30)]).sum() <= natural.sum() + 20
    assert rest_at_pauses(natural, silent, -20, original=[Pause(0.5, 30)]).tolist() == natural.tolist()
    without = natural[[0, 2, 4]], silent[[0, 2, 4]]
    assert rest_at_pauses(*without, original=[Pause(0.5, 30)]).tolist() == [10, 10, 20]  # nowhere


def test_speech_as_it_sounds_is_never_made_slower_and_keeps_its_end() -> None:
    natural = np.array([5, 5, 5])
    assert fit_as_it_is(natural, 20, 0, SCALES).durations.tolist() == [5, 5, 5]
    fit = fit_as_it_is(natural, 8, 4, SCALES)
    assert (fit.steps, len(fit.durations), fit.overrun, fit.cut) == (12, 3, 0, 0)
    fit = fit_as_it_is(natural, 5, 2, SCALES)
    assert (fit.steps, len(fit.durations), fit.overrun, fit.cut) == (7, 3, 5, 0)  # faster than the scales allow: told
    fit = fit_as_it_is(natural, 5, 2, SCALES, may_freeze=True)
    assert (fit.steps, fit.overrun, fit.cut) == (12, 5, 0)


@pytest.mark.parametrize("bounds", [(1.1, 1.25), (0.8, 0.9), (0, 1.2), (0.8, float("inf")), (float("nan"), 1.2)])
def test_bounds_that_cannot_be_are_refused(bounds: tuple[float, float]) -> None:
    refused(UsageError, "pace", DubOptions, pace=bounds)


def test_slack_ends_before_the_next_utterance_and_the_end() -> None:
    places = Interval(1.0, 4.0), Interval(4.1, 5.0), Interval(30.0, 38.0)
    script = Script(utterances=tuple(Utterance(number, place) for number, place in enumerate(places, 1)))
    assert list(slack_of(script, Fraction(40)).values()) == [Fraction("0.05"), Fraction(2), Fraction(2)]
    assert list(slack_of(script, Fraction(38)).values()) == [Fraction("0.05"), Fraction(2), Fraction(0)]


def test_a_part_ends_with_its_speech_and_begins_with_an_utterance() -> None:
    script = Script(utterances=tuple(Utterance(number, Interval(4.0 * number, 4.0 * number + 2)) for number in (1, 2, 3)))
    whole = part_of(script, Fraction(20))
    assert (whole.start, whole.stop, whole.is_all, whole.numbers) == (0, 20, True, {1, 2, 3})
    within = part_of(script, Fraction(20), 5.0, 9.0)
    assert (within.start, within.stop, within.is_all) == (4, 10 + within.slack[2], False)
    assert within.numbers == {1, 2}
    pause = part_of(script, Fraction(20), 6.5, 11.0)  # in the pause, which the one before may go into
    assert (pause.start, pause.stop, pause.numbers) == (Fraction("6.5"), 10 + pause.slack[2], {2})
    assert part_of(script, Fraction(20), 6.5, Fraction("11.95")).stop == Fraction("11.95")
    preview = part_of(script, Fraction(20), is_preview=True)
    assert (preview.start, preview.stop, preview.numbers) == (Fraction("3.5"), 6 + preview.slack[1] + Fraction("0.1"), {1})


def test_a_held_frame_lasts_whole_frames_and_moves_what_follows() -> None:
    rate = Fraction(30000, 1001)
    fit = TimeFit(Interval(0, 0), 10, 2.0, 1.6, overrun_s=0.4, freeze_s=float(12 / rate), durations=(8,) * 10)
    one = Utterance(1, Interval(1.0, 2.0), fit=fit)
    place = exact_place(one, fit, rate)
    assert (place.end, place.freeze) == (Fraction(11, 5), 12 / rate)  # 0.4 s are 11.99 frames
    script = Script(utterances=(one,))
    clock = OutputClock(script, part_of(script, Fraction(5), 0.5), rate)
    assert clock.at(Fraction(2)) == Fraction(3, 2)
    assert clock.at(place.end) == place.end - Fraction(1, 2) + place.freeze


def placed(place: Interval, natural: int, *, rate: float | None = None, following_s: float | None = None) -> TimeFit:
    """Where twenty units of `natural` steps in all go. rate: of the speaker; following_s: when the next one begins."""
    durations = np.full(20, natural // 20) + (np.arange(20) < natural % 20)
    one = Utterance(1, place, "Ann", units=UnitList(tuple(range(20)), tuple(durations.tolist())))
    others = () if following_s is None else (Utterance(2, Interval(following_s, following_s + 1), "Ann"),)
    script = Script("en", "ko", "own", speakers=(SpeakerOf("Ann", rate=rate),), utterances=(one, *others))
    slack = slack_of(script, Fraction(60))
    fitter = Fitter(
        script, slack, lambda _: None, Sound.none(), SCALES, freezes_frame=False, frame_rate=Fraction(25), keep_sound=False
    )
    fit, _ = fitter.fit(one, one.units or UnitList())
    assert fit.spoken_s == pytest.approx(sum(fit.durations) * 0.02)
    return fit


@pytest.mark.parametrize(
    ("place", "natural", "steps"),
    [
        (Interval(1.0, 2.0), 50, 50),  # exact: not a unit more
        (Interval(1.0, 2.0), 45, 50),
        (Interval(1.0, 2.0), 40, 50),
        (Interval(1.0, 2.0), 36, 45),  # as slow as may be
        (Interval(0.013, 1.012), 45, 49),  # 49.95 steps are not 50
        (Interval(1.0, 1.01), 25, 20),  # one step a unit, in the pause
    ],
)
def test_an_utterance_gets_the_steps_of_its_place(place: Interval, natural: int, steps: int) -> None:
    fit = placed(place, natural)
    assert round(fit.spoken_s / 0.02) == steps
    assert fit.slot.length_s == max(int(exact(place.seconds) * 50 + Fraction(1, 1000)), 1) * 0.02


@pytest.mark.parametrize(("natural", "steps"), [(30, 47), (36, 50), (44, 50), (50, 50), (52, 52)])
def test_who_speaks_slowly_fills_the_place_and_does_not_run_over_it(natural: int, steps: int) -> None:
    assert round(placed(Interval(1.0, 2.0), natural, rate=0.8).spoken_s / 0.02) == steps
    assert round(placed(Interval(1.0, 2.0), natural, rate=0.8, following_s=2.0).spoken_s / 0.02) == min(steps, 50)


SLOW = "I went to the station and then we saw the sea"  # 14 syllables as they are counted
REGIONS = [Interval(0.0, 3.5), Interval(4.5, 8.0), Interval(9.0, 11.0), Interval(12.0, 14.0), Interval(15.0, 17.0)]


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Sound:
    monkeypatch.setattr(SpeechActivity, "regions", lambda self: REGIONS)
    return Sound(Path("sound.f32"), SpeechActivity(np.zeros(0, np.float32), np.zeros(0, np.float32), 0))


def script_of(*speakers: SpeakerOf, language: str = "en") -> Script:
    places = [(0.0, 8.0, "A"), (9.0, 11.0, "B"), (12.0, 14.0, "B"), (15.0, 17.0, "B")]
    said = (
        Utterance(k, Interval(a, b), who, text=Text(SLOW * (1 + (who == "B")), language)) for k, (a, b, who) in enumerate(places)
    )
    return Script(source="en", target="ko", utterances=tuple(said), speakers=speakers or (SpeakerOf("A"), SpeakerOf("B")))


def test_each_speaker_s_rate_is_measured_from_enough_speech(sound: Sound) -> None:
    slow, fast = measure_rates(script_of(), sound).speakers
    assert (slow.rate, fast.rate) == (0.8, 1.25)  # of 7 s with 14 syllables, and of 6 s with 84
    assert measure_rates(script_of(language="de"), sound).speakers[0].rate is None
    short = replace(script_of(), utterances=script_of().utterances[1:3])
    assert measure_rates(short, sound).speakers[1].rate is None
    given, measured = measure_rates(script_of(SpeakerOf("A", rate=1.1), SpeakerOf("B")), sound).speakers
    assert (given.rate, measured.rate) == (1.1, 1.25)


def test_durations_follow_the_rate_but_not_of_sound_that_is_kept() -> None:
    script = script_of(SpeakerOf("A", rate=0.8), SpeakerOf("B"))
    slow, unknown = (script.speaker(name).rate for name in ("A", "B"))
    assert duration_scale(slow, keep_sound=False) == pytest.approx(1.25)
    assert (duration_scale(unknown, keep_sound=False), duration_scale(slow, keep_sound=True)) == (1.0, 1.0)


def test_stretches_of_speech_are_cut_at_the_place_and_pauses_told(sound: Sound) -> None:
    assert spoken_in(sound, Interval(3.0, 9.5)) == [(3.0, 3.5), (4.5, 8.0), (9.0, 9.5)]
    assert pauses_in(sound, Interval(0.0, 8.0)) == [Pause(0.5, 50)]
    assert pauses_in(sound, Interval(0.0, 4.0)) == []


def test_a_text_is_parted_at_the_mark_next_to_a_pause() -> None:
    text = "가게들도 하나둘씩, 다시 왔고, 3.5배가 되었습니다."
    assert parted(text, [Pause(0.4, 20)]) == ["가게들도 하나둘씩,", "다시 왔고, 3.5배가 되었습니다."]
    assert parted(text, [Pause(0.4, 20), Pause(0.6, 20)]) == ["가게들도 하나둘씩,", "다시 왔고,", "3.5배가 되었습니다."]
    assert parted(text, [Pause(0.95, 20)]) == [text]  # no mark is near
    assert parted("가게들도 다시 왔습니다.", [Pause(0.5, 20)]) == ["가게들도 다시 왔습니다."]
    assert parted(text, []) == [text]


def test_a_mark_is_a_pause_where_the_original_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"가, 나": ((1, 2), (5, 5)), "가,": ((1,), (5,)), "나": ((2,), (5,)), "다, 라": ((1, 0, 2, 0), (5, 9, 5, 9))}
    monkeypatch.setattr(TextToUnit, "silence", lambda self, vocabulary: 0)
    monkeypatch.setattr(TextToUnit, "_units_as_written", lambda self, text: UnitList(*known[text]))
    models: Any = SimpleNamespace(vocoder=SimpleNamespace(vocabulary=""))
    with_pauses = TextToUnit(models, "ko", {}, Store(Path("nowhere"))).units_with_pauses
    assert with_pauses("가, 나", []) == UnitList((1, 2), (5, 5))
    assert with_pauses("가, 나", [Pause(0.5, 30)]) == UnitList((1, 0, 2), (5, 13, 5))
    known["가,"] = (1, 0), (5, 7)
    assert with_pauses("가, 나", [Pause(0.5, 30)]) == UnitList((1, 0, 2), (5, 7, 5))  # it has one already
    known["나"] = (0, 2), (4, 5)
    assert with_pauses("가, 나", [Pause(0.5, 30)]) == UnitList((1, 0, 2), (5, 7, 5))
    assert with_pauses("다, 라", [Pause(0.5, 30)]) == UnitList((1, 0, 2, 0), (5, 9, 5, 9))  # so has all of it


_SPARE = "오늘 이 자리에 모인 모든 분들은 우리나라와 세계의 더 나은 미래를 위해 애쓰고 있습니다."


@pytest.mark.parametrize(("slot_s", "rests"), [(None, 0), (2.2, 0), (2.8, 0), (2.9, 1), (3.3, 2), (6.0, 2)], ids=str)
def test_a_text_with_time_to_spare_rests_at_its_phrases(monkeypatch: pytest.MonkeyPatch, slot_s: float | None, rests: int) -> None:
    monkeypatch.setattr(TextToUnit, "silence", lambda self, vocabulary: 0)
    # 14 words of 0.18 s
    known = lambda self, text: UnitList((1,) * len(text.split()), (9,) * len(text.split()))  # noqa: E731
    monkeypatch.setattr(TextToUnit, "_units_as_written", known)
    models: Any = SimpleNamespace(vocoder=SimpleNamespace(vocabulary=""))
    units = TextToUnit(models, "ko", {}, Store(Path("nowhere"))).units_with_pauses(_SPARE, [], slot_s)
    assert units.ids.count(0) == rests
    assert units.ids[0] == units.ids[-1] == 1


@pytest.mark.parametrize(
    ("slot_s", "rest", "sounds"),
    [
        (2.0, 10, 90),  # as it is
        (2.2, 14, 96),  # the rest of a comma, then slower
        (2.4, 22, 98),
        (3.0, 38, 112),  # a long rest, then slower
        (3.4, 38, 112),  # no slower than the pace allows
    ],
)
def test_time_to_spare_is_rested_before_speech_is_drawn_out(slot_s: float, rest: int, sounds: int) -> None:
    one = Utterance(1, Interval(1.0, 1.0 + slot_s), "Ann", units=UnitList((1, 0, 1), (45, 10, 45)))
    script = Script("en", "ko", "own", speakers=(SpeakerOf("Ann"),), utterances=(one,))
    slack = slack_of(script, Fraction(60))
    fitter = Fitter(
        script, slack, lambda _: 0, Sound.none(), SCALES, freezes_frame=False, frame_rate=Fraction(25), keep_sound=False
    )
    fit, note = fitter.fit(one, one.units or UnitList())
    assert note is None
    assert (fit.durations[1], fit.durations[0] + fit.durations[2]) == (rest, sounds)
    assert fit.natural_s == pytest.approx(2.0 if slot_s == 2 else 2.06)


def _words(plan: list[float]) -> list[Interval]:
    """Where the speech of a `talk` is."""
    edges = np.cumsum([0.0, *plan])
    return [(edges[k], edges[k + 1]) for k in range(1, len(plan), 2)]


@pytest.mark.parametrize("seed", range(20))
def test_every_word_is_in_exactly_one_utterance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = [float(value) for value in np.where(np.arange(61) % 2, rng.uniform(0.2, 11, 61), rng.uniform(0.05, 2.5, 61))]
    words, total = _words(plan), sum(plan)
    cuts = sorted(rng.uniform(0, total, 12).tolist())
    utterances = cut_utterances(words, total, cuts)
    assert all(first[1] <= second[0] for first, second in pairwise(utterances))
    for start, end in words:
        holders = [one for one in utterances if one[0] <= start + 1e-9 and end - 1e-9 <= one[1]]
        assert len(holders) == 1
    assert all(one[1] - one[0] <= 12.002 for one in utterances)
    assert all(round(one[0] * 1000) == pytest.approx(one[0] * 1000, abs=1e-6) for one in utterances)
    borders = [(first[1], second[0]) for first, second in pairwise(utterances)]
    pauses = [(first[1], second[0]) for first, second in pairwise(words)]
    for cut in cuts:
        for pause in pauses:
            if pause[0] <= cut <= pause[1]:
                assert any(border[0] <= pause[0] + 0.002 and border[1] >= pause[1] - 0.002 for border in borders)


def test_close_words_become_one_utterance_short_answers_join_it() -> None:
    words = [(1.0, 1.6), (1.9, 3.0), (3.2, 4.0), (7.0, 7.5), (12.0, 14.0), (14.9, 18.0)]
    assert cut_utterances(words, 20) == [(1.0, 4.0), (7.0, 7.5), (12.0, 14.0), (14.9, 18.0)]
    words = [(1.0, 1.4), (2.0, 5.0)]
    assert cut_utterances(words, 6) == [(1.0, 5.0)]
    assert cut_utterances(words, 6, borders=[1.7]) == [(1.0, 1.4), (2.0, 5.0)]
    assert cut_utterances(words, 6, borders=[3.0]) == [(1.0, 5.0)]  # within speech no word is cut for the frame


def test_long_speech_is_cut_at_its_best_pauses() -> None:
    words = [(float(k), k + 0.9) for k in range(30)]
    words[17] = (17.0, 17.5)
    utterances = cut_utterances(words, 30)
    assert all(2 <= one[1] - one[0] <= 12 for one in utterances)
    assert any(one[1] == 17.5 for one in utterances)


def test_speech_without_any_pause_is_cut_where_it_is_quietest() -> None:
    asked = []

    def quietest(start: float, end: float) -> float:
        asked.append((start, end))
        return (start + end) / 2 + 0.1

    utterances = cut_utterances([(0.5, 30.5)], 31, quietest=quietest)
    assert (utterances[0][0], utterances[-1][1]) == (0.5, 30.5)
    assert all(first[1] == second[0] for first, second in pairwise(utterances))
    assert all(2 <= one[1] - one[0] <= 12 for one in utterances)
    assert len(asked) == len(utterances) - 1


def test_heard_words_with_known_pauses_are_all_covered() -> None:
    plan = [0.5, 2.4, 1.1, 0.6, 0.5, 3.1, 1.5, 13.5, 1.0]
    activity = detect_activity([talk(plan)])
    utterances = cut_utterances(activity.regions(), activity.seconds, (), LENGTH, activity.quietest_s)
    for start, end in activity.regions():
        assert any(one[0] <= start + 1e-6 for one in utterances if one[1] > start)
        assert sum(max(min(end, one[1]) - max(start, one[0]), 0) for one in utterances) >= end - start - 1e-6
    for start, end in _words(plan):
        inside = [min(end, one[1]) - max(start, one[0]) for one in utterances]
        assert sum(value for value in inside if value > 0) >= 0.85 * (end - start)  # the detector's own edges
        assert end - start > 12 or sum(value > 0.05 for value in inside) == 1
    assert all(one[1] - one[0] <= 12 for one in utterances)


def test_regions_that_overlap_or_leave_the_recording_are_put_right() -> None:
    assert cut_utterances([(4, 6), (-1, 2), (5, 7), (9, 12), (3, 3)], 10) == [(0, 2), (4, 7), (9, 10)]
    assert cut_utterances([], 10) == []


@pytest.mark.parametrize("limits", [(7, 12), (-1, 12), (2, 0), (2, float("inf")), (float("nan"), 12)])
def test_lengths_that_cannot_be_are_refused(limits: tuple[float, float]) -> None:
    refused(UsageError, "", DubOptions, utterance_length=limits)
