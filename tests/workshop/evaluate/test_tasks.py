"""Tasks of the exam: the names that records of earlier runs call them by, and what is left of what is wanted."""

import pytest

from workshop.evaluate.clipless import CopyRecording, DubSynthesiser, HearEnglish, HearOther, HearRecording, Say, VocoderAlone
from workshop.evaluate.demo import seconds_for
from workshop.evaluate.jobs import FREE, ExamItem, ExamJob, ExamTask, Need, missing_jobs
from workshop.evaluate.modalities import AUDIO, AUTO, BOTH, VIDEO
from workshop.evaluate.outside import HearDub, HearEnglishVoice, HearSaid, HearTeacher
from workshop.evaluate.rows import ROWS, sweep_needs
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import (
    Dub,
    DubAcrossRoom,
    DubAtRandom,
    DubShuffled,
    Read,
    Show,
    ShowTruth,
    SpeakAgain,
    UnderstandInNoise,
    UnderstandThrough,
    UnderstandWithLips,
)

NAMES: dict[str, ExamTask] = {
    "audio": Dub(AUDIO), "video": Dub(VIDEO), "audio,video": Dub(), "audio@-10": Dub(AUDIO, -10.0), "audio,video@0": Dub(BOTH, 0.0),
    "auto@0": UnderstandInNoise(0.0), "audio~aac": UnderstandThrough("aac"), "auto+still": UnderstandWithLips(AUTO, "still"),
    "audio,video+own": UnderstandWithLips(BOTH, "own"), "room": DubAcrossRoom(), "shuffled": DubShuffled(), "random": DubAtRandom(),
    "shown": Show(), "shown by units": Show(is_by_units=True), "ceiling": ShowTruth(), "read audio": Read(AUDIO),
    "read video": Read(VIDEO), "speak audio": SpeakAgain(AUDIO), "speak video": SpeakAgain(), "vocoder": VocoderAlone(),
    "english": HearEnglish(), "others": HearOther(), "recorded": HearRecording(), "copied": CopyRecording(), "said": Say(),
    "pico": DubSynthesiser("pico"), "teacher outside": HearTeacher(), "teacher free": HearTeacher(FREE), "say outside": HearSaid(),
    "say free": HearSaid(FREE), "dub outside": HearDub(), "english voice": HearEnglishVoice(),
}  # fmt: skip
"""As records of exams that were run before have them."""


def test_records_of_earlier_runs_are_found_again() -> None:
    assert {name: task.name for name, task in NAMES.items()} == {name: name for name in NAMES}


def test_all_that_rows_ask_for_is_one_of_these() -> None:
    settings = EvaluationSettings()
    asked = {need.task for row in ROWS for need in row.needs(settings)} | {need.task for need in sweep_needs(settings)}
    assert {type(task) for task in asked} == {type(task) for task in NAMES.values()}
    assert len({task.name for task in asked}) == len(asked)


def test_faces_are_looked_for_only_where_they_are_needed() -> None:
    alone = {"audio", "room", "audio~aac", "audio@-10", "read audio", "speak audio"}
    clipless = {"vocoder", "english", "others", "recorded", "copied", "said", "pico", "dub outside", "english voice"}
    clipless |= {f"{what} {kind}" for what in ("teacher", "say") for kind in ("outside", "free")}
    assert {name for name, task in NAMES.items() if not task.needs_face} == alone | clipless


def test_what_was_done_is_left_out_clip_by_clip() -> None:
    needs = [Need("held_out", Dub(), 2), Need("pico", DubSynthesiser("pico"), 1), Need("held_out", Dub(AUDIO), 2)]
    done = {("held_out", 0, "audio,video"), ("held_out", 0, "audio")}
    left = missing_jobs(needs, done)
    assert left == [
        ExamJob(ExamItem("held_out", 1), (Dub(), Dub(AUDIO))),
        ExamJob(ExamItem("pico", 0), (DubSynthesiser("pico"),)),
    ]
    assert [job.case.has_clip for job in left] == [True, False]
    assert seconds_for(left, 1) == pytest.approx(40 + 0.6 + 0.6 + 0.7 + 0.8 + 0.3)
    assert seconds_for([], 1) == 0
