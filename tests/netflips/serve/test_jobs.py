"""The page's jobs: from a form to a result, in their own folders, and portraits from files or from images that there are."""

import asyncio
import json
import random
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from starlette.testclient import TestClient

from avcore.flags import options_from
from avcore.media import SoundWriter, VideoWriter
from avcore.notes import sentence
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, Interval
from netflips.commands.dub import build_parser
from netflips.commands.dub_options import DubCommand
from netflips.script.files import read_script, require_own_files, write_script
from netflips.script.targets import SpokenSound, WrittenText
from netflips.script.types import Made, Script, SpeakerOf, Timing, VoiceFile
from netflips.script.utterance import TimeFit, Utterance
from netflips.serve.jobs import Job, JobFolders, KeptNote
from netflips.serve.preview import MEDIA, VIDEO, facts
from netflips.serve.queue import Queue
from netflips.serve.results import results
from netflips.serve.settings import Settings
from netflips.serve.uploads import HEADED, HEADS
from netflips.serve.worker_process import WorkerProcess
from tests.avcore.made_speech import silence, talk
from tests.avcore.test_sound_tracks import write_tracks
from tests.netflips.serve.conftest import CLIP, LOCAL, app_of, dubbed, over, say, until, upload


def test_a_text_is_said(client: TestClient) -> None:
    job = until(client, say(client, "안녕하세요?"), over)
    assert (job["state"], job["share"], job["title"]) == ("done", 1, "안녕하세요?")
    assert [(one["name"], one["shows"]) for one in job["files"]] == [("result.wav", "sound")]
    assert client.get(f"/api/v1/jobs/{job['id']}/files/result.wav").content == "RIFF안녕하세요?".encode()
    saved = client.get(f"/api/v1/jobs/{job['id']}/files/result.wav?download=1").headers["content-disposition"]
    assert saved.startswith("attachment; filename*=utf-8''%EC%95%88")


def test_an_end_that_comes_while_news_are_told_is_told_too(tmp_path: Path) -> None:
    job = Job("0" * 32, visitor="", kind="say", title="", words=(), values={})
    settings = Settings(tmp_path)
    queue = Queue(JobFolders(tmp_path), WorkerProcess(), settings)

    async def told() -> list[str]:
        states = []
        job.begin()
        async for news in queue.changes(lambda: [job], beat_s=0.01):
            if news is not None:
                states.append(news["state"])
                job.end("done")
            if len(states) == 2:
                break
        return states

    assert asyncio.run(told()) == ["running", "done"]


def test_news_of_others_keep_no_sign_of_life_back(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    queue = Queue(JobFolders(tmp_path), WorkerProcess(), settings)

    async def first() -> dict[str, Any] | None:
        async def tell() -> None:
            while True:
                queue._tell()
                await asyncio.sleep(0.01)

        others = asyncio.create_task(tell())
        async with asyncio.timeout(5):
            found = await anext(queue.changes(list, beat_s=0.05))
        others.cancel()
        return found

    assert asyncio.run(first()) is None


def test_the_time_left_falls_unless_a_slow_step_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job("0" * 32, visitor="", kind="say", title="", words=(), values={})
    now, news = [1000.0], list[dict[str, Any]]()
    monkeypatch.setattr(time, "time", lambda: now[0])

    class Hand:
        async def run(self, words: Any, folder: Path, heard: Any, noted: Any) -> int:
            for stage, seconds in (("look", 30), ("hear", 200), ("frames", 60)):
                for second in range(seconds + 1):
                    now[0] += 1
                    heard(stage, second, seconds)
                    news.append(queue.facts(job))
                now[0] += 10  # nothing is heard of it
                assert queue.facts(job)["left_s"] == news[-1]["left_s"]
            return 0

    hand: Any = Hand()
    queue = Queue(JobFolders(tmp_path), hand, Settings(tmp_path))
    queue.folders.of(job.id).mkdir(parents=True)
    asyncio.run(queue._do(job))
    left = [one for one in news if one["left_s"] is not None]
    rises = [after for before, after in pairwise(left) if after["left_s"] > before["left_s"]]
    assert {(one["stage"], one["is_slow"]) for one in rises} == {("hear", True)}
    assert left[-1]["left_s"] < 20
    assert (queue.facts(job)["state"], queue.facts(job)["left_s"]) == ("done", None)


def test_a_dub_and_its_review(client: TestClient, tmp_path: Path) -> None:
    sent = upload(client, name="휴가 $(rm).mp4")
    assert (sent["name"], sent["width"], sent["has_sound"]) == ("휴가 $(rm).mp4", 960, True)
    values: dict[str, Any] = {"video": sent["id"], "source": "en", "target": "ko", "timing": "source"}
    job = dubbed(client, values)
    assert [one["number"] for one in job["utterances"]] == [1, 2]
    assert job["stretches"] == [[0, 2.44, 0]]
    names = [(one["name"], one["as"]) for one in job["files"]][:2]
    assert names == [("result.mp4", "휴가 $(rm)_ko.mp4"), ("report.html", "휴가 $(rm).report.html")]
    piece = client.get(f"/api/v1/jobs/{job['id']}/files/result.mp4", headers={"Range": "bytes=4-11"})
    assert (piece.status_code, piece.content) == (206, CLIP.read_bytes()[4:12])

    rows = [{"start_s": one["start_s"], "end_s": one["end_s"], "spoken": "", "speaker": ""} for one in job["utterances"]]
    rows[1] |= {"spoken": "두 번째예요.", "speaker": "Ann"}
    form = {"kind": "dub", "values": values, "rows": rows, "after": job["id"]}
    second = until(client, client.post("/api/v1/jobs", json=form).json(), over)
    folder = tmp_path / "page" / "jobs" / second["id"]
    one, other = read_script(folder / "script.json").utterances
    assert (one.place, one.speaker, one.target) == (Interval(0.0, 1.0), "", None)
    assert (other.place, other.speaker, other.target) == (Interval(1.25, 1.96), "Ann", WrittenText("두 번째예요."))
    assert [one["named"] for one in second["utterances"]] == ["", "Ann"]  # the next correction says it again
    rows[1]["spoken"] = "다시요."
    third = until(client, client.post("/api/v1/jobs", json=form | {"after": second["id"]}).json(), over)
    assert [len(one["alternatives"]) for one in third["utterances"]] == [2, 2]  # what was said before can be taken again
    words = [json.loads((tmp_path / "page/jobs" / one["id"] / "job.json").read_text())["words"] for one in (job, second)]
    works = [one[one.index("--work-dir") + 1] for one in words]
    assert works[0] == works[1] == f"../../uploads/{sent['id']}/work"  # what was finished before is taken up
    for one in words:
        build_parser().parse_args(one[1:])


def test_a_sound_file_becomes_a_sound_file(client: TestClient, tmp_path: Path) -> None:
    with SoundWriter(tmp_path / "talk.mp3", SAMPLE_RATE) as writer:
        writer.write_sound(talk([0.3, 1.5, 0.3]).astype(np.float32))
    sent = upload(client, tmp_path / "talk.mp3", "media")
    assert (sent["width"], sent["has_sound"], sent["has_face"], sent["has_speech"]) == (0, True, False, True)
    job = dubbed(client, {"video": sent["id"]})
    assert next((one["name"], one["shows"], one["as"]) for one in job["files"]) == ("result.m4a", "sound", "talk_ko.m4a")
    words = json.loads((tmp_path / "page/jobs" / job["id"] / "job.json").read_text())["words"]
    assert words[1] == "source.mp3"
    assert str(build_parser().parse_args(words[1:]).out) == "result.m4a"


def test_names_and_terms_are_said_once_for_the_whole_dub(client: TestClient, tmp_path: Path) -> None:
    sent = upload(client)
    values: dict[str, Any] = {"video": sent["id"], "source": "en", "target": "ko", "timing": "source"}
    job = dubbed(client, values)
    assert job["terms"] == [
        {"word": "Emily", "spoken": "", "proposed": "에밀리"},
        {"word": "NASA", "spoken": "나사", "proposed": ""},
    ]
    rows = [{"start_s": one["start_s"], "end_s": one["end_s"]} for one in job["utterances"]]
    terms = {"Emily": "에밀리", "NASA": "미국 항공우주국"}
    form = {"kind": "dub", "values": values, "rows": rows, "terms": terms, "after": job["id"], "draft": True}
    second = until(client, client.post("/api/v1/jobs", json=form).json(), lambda now: now["state"] == "asks")
    folder = tmp_path / "page" / "jobs" / second["id"]
    assert {one.word: one.spoken for one in read_script(folder / "script.json").terms} == terms
    assert {one["word"]: one["spoken"] for one in second["terms"]} == terms  # the next correction says it again
    assert client.post(f"/api/v1/jobs/{second['id']}/again", json={}).status_code == 200
    until(client, second, over)
    assert {one.word: one.spoken for one in read_script(folder / "script.json").terms} == terms

    del form["rows"]
    assert "rows with the voices" in client.post("/api/v1/jobs", json=form).json()["error"]
    form |= {"rows": rows, "terms": {"Emily": "에" * 61}}
    assert "the terms cannot be read" in client.post("/api/v1/jobs", json=form).json()["error"]


def test_subtitles_of_a_visitor_are_what_is_said(client: TestClient, tmp_path: Path) -> None:
    korean = tmp_path / "내 자막.smi"
    sami = "<SAMI><BODY><SYNC Start=100><P Class=KRCC>안녕하세요<SYNC Start=1900><P Class=KRCC>&nbsp;</BODY>"
    korean.write_bytes(sami.encode("cp949"))
    given = {"video": upload(client)["id"], "subtitles": upload(client, korean, "subtitles")["id"]}
    job = dubbed(client, given)
    words = json.loads((tmp_path / "page/jobs" / job["id"] / "job.json").read_text())["words"]
    assert words[words.index("--script-in") + 1] == "subtitles.smi"
    assert words[words.index("--timing") + 1] == "source"
    build_parser().parse_args(words[1:])
    script = tmp_path / "talk.script.json"
    place = Interval(0.1, 1.9)
    write_script(script, Script("en", "ko", utterances=(Utterance(place=place, target=WrittenText("네.")),)))
    given["subtitles"] = upload(client, script, "subtitles")["id"]
    job = dubbed(client, given)
    words = json.loads((tmp_path / "page/jobs" / job["id"] / "job.json").read_text())["words"]
    assert words[words.index("--script-in") + 1] == "subtitles.json"
    refused = client.post("/api/v1/uploads?as=subtitles&name=x.json", content=b'{"utterances": []}')
    assert (refused.status_code, "this is no script" in refused.json()["error"]) == (415, True)
    korean.write_text("no times")
    refused = client.post("/api/v1/uploads?as=subtitles&name=x.srt", content=korean.read_bytes())
    assert refused.status_code == 415
    assert "x.srt: there are no subtitles with times in it" in refused.text


def test_speech_is_said_and_speakers_have_voices(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track, own, voice = (upload(client, kind="sound", name=name)["id"] for name in ("해설.mp4", "한마디.mp4", "목소리.mp4"))
    values = {"video": upload(client)["id"], "speech": track, "keep_sound": True, "original": True}
    job = until(client, client.post("/api/v1/jobs", json={"kind": "dub", "values": values}).json(), over)
    folder = tmp_path / "page/jobs" / job["id"]
    monkeypatch.chdir(folder)
    words = json.loads((folder / "job.json").read_text())["words"]
    asked = options_from(DubCommand, build_parser().parse_args(words[1:]))
    assert (asked.speech_in, asked.keep_sound, asked.timing) == (Path("speech.mp4"), True, "source")
    assert asked.tracks == "dub,original"

    taken = SpokenSound("speech.mp4", from_s=0.25, to_s=0.75, keep_sound=True)  # what the draft found of it for the first
    rows = [{"start_s": 0.0, "end_s": 1.0}, {"start_s": 1.25, "end_s": 1.75, "speech": own}, {"start_s": 1.8, "end_s": 1.96}]
    rows += [{"start_s": 2.0, "end_s": 2.4, "spoken": "네."}]
    places = [Interval(one["start_s"], one["end_s"]) for one in rows]
    write_script(folder / "draft.json", Script(utterances=(Utterance(place=places[0], target=taken),)))
    voices = {"speaker 1": voice}
    assert client.post(f"/api/v1/jobs/{job['id']}/again", json={"rows": rows, "voices": voices}).status_code == 200
    job = until(client, job, lambda now: now["state"] == "done")
    monkeypatch.chdir(folder)
    script = read_script(Path("script.json"))
    assert [one.place for one in script.utterances] == places
    given, rest = SpokenSound("speech-2.mp4", keep_sound=True), replace(taken, from_s=1.8, to_s=1.96)
    assert [one.target for one in script.utterances] == [taken, given, rest, WrittenText("네.")]
    assert script.speakers == (SpeakerOf("speaker 1", VoiceFile("voice-1.mp4")),)
    assert len(require_own_files(script, Path("script.json"))) == 4  # all of them are there
    words = json.loads(Path("job.json").read_text())["words"]
    asked = options_from(DubCommand, build_parser().parse_args(words[1:]))
    assert (asked.speech_in, asked.script_in) == (None, Path("script.json"))
    assert (job["utterances"][1]["speech"], job["values"]["voices"]) == (own, voices)  # the next correction says it again
    assert (sorted(job["uploads"]), job["names"][own]) == (["speech", "video"], "한마디.mp4")
    assert client.post(f"/api/v1/jobs/{job['id']}/again", json={"preview": True}).status_code == 200  # from the same files

    frame = client.post("/api/v1/example?as=image").json()["id"]
    form = {"kind": "dub", "values": values, "rows": rows, "voices": {"Ann": frame}}
    assert "voice 1 cannot be that" in client.post("/api/v1/jobs", json=form).json()["error"]
    form["voices"] = {"Ann": "../x"}
    assert "not there any more" in client.post("/api/v1/jobs", json=form).json()["error"]
    assert (
        "rows with the voices"
        in client.post("/api/v1/jobs", json={"kind": "dub", "values": values, "voices": voices}).json()["error"]
    )


def test_a_dub_over_text_is_offered_where_its_models_are(tmp_path: Path) -> None:
    models = {"--recognizer": "/whisper", "--text-translator": "/m2m", "--speak-with": "echo {text} {out}", "--utut-path": "/u.pt"}
    models |= {"--unit2av-path": "/renderer.pt", "--wav2lip-path": "/wav2lip.pth"}
    with TestClient(app_of(tmp_path / "page", models=models), base_url=LOCAL) as client:
        about = client.get("/api/v1/about").json()
        assert (about["has_cascade"], about["mouths"]) == (True, ["auto", "wav2lip", "units"])  # no table beside the renderer
        row = {"start_s": 0.0, "end_s": 1.0, "spoken": "네.", "speaker": ""}  # said without a text-to-unit model
        job = dubbed(client, {"video": upload(client)["id"], "road": "text", "modalities": "video"}, rows=[row])
        words = json.loads((tmp_path / "page/jobs" / job["id"] / "job.json").read_text())["words"]
        asked = options_from(DubCommand, build_parser().parse_args(words[1:]))
        road = asked.cascade_models
        assert (road.recognizer, road.translator) == (Path("/whisper"), Path("/m2m"))
        assert asked.source == "auto"
        assert (asked.speak_with, asked.utut_path, asked.modalities, asked.timing) == ("echo {text} {out}", None, "audio", "source")
    with TestClient(app_of(tmp_path / "other"), base_url=LOCAL) as client:
        form = {"kind": "dub", "values": {"video": upload(client)["id"], "road": "text"}}
        assert "over text" in client.post("/api/v1/jobs", json=form).json()["error"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "rm", "values": {}}, "no such kind"),
        ({"kind": "say"}, "the form cannot be read"),
        ({"kind": "say", "values": {"text": ""}}, "text cannot be used"),
        ({"kind": "say", "values": {"text": "x" * 5001}}, "text cannot be used"),
        ({"kind": "say", "values": {"text": ["x"]}}, "text cannot be used"),
        ({"kind": "say", "values": {"text": "x", "speed": float("1e9")}}, "speed cannot be used"),
        ({"kind": "say", "values": {"text": "x", "speed": True}}, "speed cannot be used"),
        ({"kind": "say", "values": {"text": "x", "--device": "cuda"}}, "no such field"),
        ({"kind": "say", "values": {"text": "x", "voice": "../../etc/passwd"}}, "not there any more"),
        ({"kind": "say", "values": {"text": "x", "called": "--yes"}}, "called cannot be used"),
        ({"kind": "say", "values": {"text": "x", "called": "../x"}}, "called cannot be used"),
        ({"kind": "dub", "values": {}}, "video is missing"),
        ({"kind": "dub", "values": {"video": "0" * 32}}, "not there any more"),
        ({"kind": "dub", "values": {"video": "0" * 32, "mouth": "--report"}}, "mouth cannot be used"),
        ({"kind": "dub", "values": {"video": "0" * 32, "hold": "yes"}}, "hold cannot be used"),
        ({"kind": "dub", "values": {"video": "0" * 32}, "rows": []}, "utterances cannot be read"),
        ({"kind": "dub", "values": {"video": "0" * 32}, "rows": [{"start_s": "0"}]}, "rows[0].start_s cannot be used"),
        ({"kind": "dub", "values": {"video": "0" * 32}, "after": "1" * 32}, "job before it"),
    ],
)
def test_what_a_form_may_not_ask(client: TestClient, form: dict[str, Any], said: str) -> None:
    answer = client.post("/api/v1/jobs", json=form)
    assert answer.status_code in (400, 404)
    assert said in answer.json()["error"]
    assert client.get("/api/v1/jobs").json() == {"jobs": []}


def test_a_text_is_said_in_a_voice_and_one_like_an_option_is_a_text(client: TestClient, tmp_path: Path) -> None:
    job = until(client, say(client, "--out-path /tmp/x"), over)
    words = json.loads((tmp_path / "page/jobs" / job["id"] / "job.json").read_text())["words"]
    assert job["state"] == "done"
    assert not any("/tmp/x" in word for word in words)
    sound = upload(client)["id"]
    for values, voices in (({"called": "man"}, ["man"]), ({"called": "man", "voice": sound}, ["man", "voice.mp4"]), ({}, [])):
        job = client.post("/api/v1/jobs", json={"kind": "say", "values": {"text": "네", **values}}).json()
        words = json.loads((tmp_path / "page/jobs" / job["id"] / "job.json").read_text())["words"]
        assert [words[place + 1] for place, word in enumerate(words) if word == "--voice"] == voices  # of two the last counts


def test_a_failed_job_says_why_and_troubles_no_other_job(client: TestClient) -> None:
    job = until(client, say(client, "fail"), over)
    assert (job["state"], job["error"], job["goes_on"]) == ("failed", "text.txt: it cannot be said; expected words", False)
    strange, known = job["warnings"]
    assert strange == {"en": "odd", "ko": "odd"}
    assert known["ko"] == "글꼴에 없는 글자(text.txt)는 자막에 네모로 보입니다."
    assert client.post(f"/api/v1/jobs/{job['id']}/again").json()["state"] in ("waiting", "running")
    assert until(client, job, over)["state"] == "failed"
    first, second = say(client, "crash"), say(client, "two")
    ended = until(client, first, over)
    assert ("ended by the system (9)" in ended["error"], ended["goes_on"]) == (True, True)
    assert until(client, second, over)["state"] == "done"
    job = until(client, say(client, "long"), over)
    assert (job["state"], [one["en"] for one in job["warnings"]]) == ("done", ["odd"])


def test_a_job_that_is_removed_while_it_is_asked_again_stays_removed(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    queue = app.state.desk.queue
    with TestClient(app, base_url=LOCAL) as client:
        job = until(client, say(client, "one"), over)

        def body() -> Iterator[bytes]:
            queue.jobs.pop(job["id"])  # as its removal does, while the form is on its way
            yield b"{}"

        assert client.post(f"/api/v1/jobs/{job['id']}/again", content=body()).status_code == 404
        slow = until(client, say(client, "slow"), lambda one: one["state"] == "running")
        assert client.delete(f"/api/v1/jobs/{slow['id']}").status_code == 204
        assert client.get("/api/v1/jobs").json()["jobs"] == []
        assert until(client, say(client, "two"), over)["state"] == "done"


def test_jobs_that_name_each_other_as_their_source_stop_nothing(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    queue = app.state.desk.queue
    with TestClient(app, base_url=LOCAL) as client:
        job = dubbed(client, {"video": upload(client)["id"], "source": "en", "target": "ko", "timing": "source"})
        other = replace(queue.jobs[job["id"]], id="1" * 32, made_by=job["id"])
        queue.jobs |= {other.id: other}
        shutil.copytree(queue.folders.of(job["id"]), queue.folders.of(other.id))
        queue.jobs[job["id"]].made_by = other.id
        found = client.get(f"/api/v1/jobs/{job['id']}").json()
        assert [len(row["alternatives"]) for row in found["utterances"]] == [1, 1]


def test_stop_really_stops_and_the_next_goes_on(client: TestClient, tmp_path: Path) -> None:
    first, second = say(client, "slow"), say(client, "two")
    running = until(client, first, lambda job: job["share"] > 0.5)
    assert client.get(f"/api/v1/jobs/{second['id']}").json()["place"] == 1
    stopped = client.post(f"/api/v1/jobs/{running['id']}/stop").json()
    assert (stopped["state"], stopped["goes_on"]) == ("stopped", True)
    assert until(client, second, over)["state"] == "done"
    assert client.get(f"/api/v1/jobs/{first['id']}").json()["files"] == []
    before = client.get(f"/api/v1/jobs/{first['id']}").json()["took_s"]
    time.sleep(0.15)
    assert client.get(f"/api/v1/jobs/{first['id']}").json()["took_s"] == before


def test_places_turns_and_a_full_queue(tmp_path: Path) -> None:
    app = app_of(tmp_path, most_waiting=4, most_waiting_each=2)
    with TestClient(app, base_url=LOCAL) as one:
        one.get("/")
        running = say(one, "slow")
        until(one, running, lambda job: job["state"] == "running")
        waiting = [say(one, "a"), say(one, "b")]
        assert [job["place"] for job in waiting] == [1, 2]
        assert "so many jobs" in say(one, "c", status=429)["error"]
        other = TestClient(app, base_url=LOCAL)
        other.get("/")
        assert [say(other, name)["place"] for name in "de"] == [1, 3]  # who was not served yet comes first, then in turns
        assert "so many jobs" in say(TestClient(app, base_url=LOCAL), "f", status=429)["error"]
        assert [job["title"] for job in other.get("/api/v1/jobs").json()["jobs"]] == ["e", "d"]
        assert one.get(f"/api/v1/jobs/{waiting[0]['id']}").json()["place"] == 2
        assert one.delete(f"/api/v1/jobs/{waiting[0]['id']}").status_code == 204
        assert one.get(f"/api/v1/jobs/{waiting[0]['id']}").status_code == 404
        one.post(f"/api/v1/jobs/{running['id']}/stop")
        assert until(one, waiting[1], over)["state"] == "done"


def test_a_dub_waits_until_its_texts_were_seen_over_a_new_server(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path / "page"), base_url=LOCAL) as client:
        form = {"kind": "dub", "values": {"video": upload(client)["id"], "hold": True}}
        jobs = [until(client, client.post("/api/v1/jobs", json=form).json(), over) for _ in range(2)]
        assert [(one["state"], one["quality"]["share"]) for one in jobs] == [("asks", 0.11)] * 2
        assert jobs[0]["quality"]["text"]["ko"] == "이해하지 못함 (11%)"
        assert [one["as"] for one in jobs[0]["files"]] == ["clip.script.json", "clip.mp4"]  # nothing was made but the texts
        cookies = client.cookies
    with TestClient(app_of(tmp_path / "page"), base_url=LOCAL, cookies=cookies) as client:
        first, second = (client.get(f"/api/v1/jobs/{one['id']}").json() for one in jobs)
        assert (first["state"], first["quality"]["words"]) == ("asks", "not_understood")
        assert [one["number"] for one in first["utterances"]] == [1, 2]  # its texts are there to be read
        rows = [{"start_s": one["start_s"], "end_s": one["end_s"], "spoken": "네.", "speaker": ""} for one in first["utterances"]]
        assert client.post(f"/api/v1/jobs/{first['id']}/again", json={"rows": rows, "preview": True}).status_code == 200
        done = until(client, first, lambda job: job["state"] == "done")
        assert done["quality"]["words"] == "not_understood"  # it is still shown
        whole = client.post(f"/api/v1/jobs/{first['id']}/again", json={"preview": False})  # all of it, as it was corrected
        assert whole.status_code == 200
        until(client, first, lambda job: job["state"] == "done")
        folder = tmp_path / "page" / "jobs" / first["id"]
        words = json.loads((folder / "job.json").read_text())["words"]
        assert ("--preview" in words, words[words.index("--script-in") + 1]) == (False, "script.json")
        assert [one.target for one in read_script(folder / "script.json").utterances] == [WrittenText("네.")] * 2
        assert client.post(f"/api/v1/jobs/{first['id']}/again", json={"words": ["rm"]}).status_code == 400
        assert client.post(f"/api/v1/jobs/{second['id']}/stop").json()["state"] == "stopped"
        client.post(f"/api/v1/jobs/{second['id']}/again")  # it was stopped: it is asked again
        assert until(client, second, lambda job: job["state"] != "waiting" and over(job))["state"] == "asks"


def test_a_new_server_knows_the_jobs_of_the_one_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(app_of(tmp_path), base_url=LOCAL) as first:
        done = until(first, say(first, "one"), over)
        slow, waits = say(first, "slow"), say(first, "three")
        until(first, slow, lambda job: job["state"] == "running")
        cookies = dict(first.cookies)
    whole = json.loads((tmp_path / "jobs" / done["id"] / "job.json").read_text())
    changes: list[dict[str, Any]] = [
        {"created_s": "a word"}, {"names": {"video": "../x"}}, {"words": [1]}, {"notes": [{"code": 1, "values": {}}]},
        {"state": "odd"}, {"values": {"rows": 5}}, {"new": 1},
        {"values": {"rows": [{"start_s": 0.0, "end_s": 1.0, "spoken": 1}], "voices": {}}}, {"values": {"terms": {"Emily": 1}}},
    ]  # fmt: skip
    texts = ['{"id": 1', "[" * 100_000]
    texts += [json.dumps(whole | {"id": f"{number:x}" * 32} | change) for number, change in enumerate(changes, len(texts))]
    for number, text in enumerate(texts):
        (tmp_path / "jobs" / (f"{number:x}" * 32)).mkdir()
        (tmp_path / "jobs" / (f"{number:x}" * 32) / "job.json").write_text(text)
    with TestClient(app_of(tmp_path), base_url=LOCAL, cookies=cookies) as second:
        assert until(second, waits, over)["state"] == "done"
        jobs = {job["id"]: job for job in second.get("/api/v1/jobs").json()["jobs"]}
        assert (jobs[done["id"]]["state"], jobs[slow["id"]]["state"]) == ("done", "stopped")
        assert "it can go on" in jobs[slow["id"]]["error"]
        assert second.get(f"/api/v1/jobs/{done['id']}/files/result.wav").status_code == 200
    aside = sorted(one.name for one in (tmp_path / "jobs").glob("*.damaged"))
    assert aside == [32 * f"{number:x}" + ".damaged" for number in range(len(texts))]
    assert [line.partition("its folder is now ")[2] for line in caplog.messages if ".damaged" in line] != []
    JobFolders(tmp_path / "jobs").clean(0.0)
    assert not list((tmp_path / "jobs").glob("*.damaged"))


def test_old_jobs_and_uploads_are_removed(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path), base_url=LOCAL) as client:
        used, unused = upload(client), upload(client)
        dubbed(client, {"video": used["id"]})
        unfinished = say(client, "slow")
        desk = client.app.state.desk  # type: ignore[attr-defined]  # Starlette's, which a protocol hides
        portal = client.portal
        portal.call(desk.uploads.clean, 0.0, {used["id"]})
        assert sorted(one.name for one in (tmp_path / "uploads").iterdir()) == [used["id"]]
        assert not (tmp_path / "uploads" / unused["id"]).exists()
        portal.call(desk.queue.clean, 0.0)
        assert [one.name for one in (tmp_path / "jobs").iterdir()] == [unfinished["id"]]


def test_messages_name_no_folder_and_files_as_the_visitor_does() -> None:
    words = ("dub", "source.mp4", "--utut-path", "/models/a.pt")
    job = Job("0" * 32, "v", "dub", "talk.mp4", words, {}, shown={"source.mp4": "talk.mp4"})
    assert job.in_visitors_words("/models/a.pt: not for source.mp4") == "a.pt: not for talk.mp4"
    job = Job("0" * 32, "v", "dub", "talk.mp4", (), {}, shown={"given.srt": "talk.srt"})
    for _ in range(2):
        job.note(KeptNote("only_times", {"name": "given.srt", "source": "en", "target": "ko"}))
    (told,) = job.public_notes
    assert sentence(told).startswith("talk.srt: only its times are used")


FRAMES = (
    "3gp", "asf", "avi", "dv", "f4v", "flv", "gif", "h263", "h264", "hevc", "ismv", "ivf", "m4v", "matroska", "mjpeg", "mov", "mp4",
    "mpeg", "mpeg1video", "mpeg2video", "mpegts", "mxf", "nut", "obu", "ogv", "rm", "vob", "webm", "wtv", "yuv4mpegpipe",
)  # fmt: skip
SOUNDS = (
    "ac3", "adts", "aiff", "amr", "au", "caf", "eac3", "flac", "gxf", "latm", "mp2", "mp3", "opus", "sox", "tta", "voc", "w64",
    "wav", "wv",
)  # fmt: skip


def _is_let_through(content: bytes) -> bool:
    return re.match(HEADS, content[:1024].decode("latin-1")) is not None


@pytest.mark.parametrize("kind", FRAMES + SOUNDS)
def test_what_the_server_takes_in_is_sent_whatever_it_is_called(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w", format=kind) as file:
        if kind in FRAMES:
            stream = file.add_stream(file.default_video_codec, rate=25)
            stream.width, stream.height = (720, 576) if kind == "dv" else (176, 144)
            stream.pix_fmt = (stream.codec_context.codec.video_formats or [av.VideoFormat("yuv420p")])[0].name
            for number in range(12):
                shown = np.full((stream.height, stream.width, 3), 20 * number, np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24").reformat(format=stream.pix_fmt)))
        else:
            rate = {"amr": 8000, "opus": 48_000, "gxf": 48_000}.get(kind, 44_100)
            stream = file.add_stream(file.default_audio_codec, rate=rate, layout="mono")
            coder = stream.codec_context
            resampler = av.AudioResampler(coder.format.name, "mono", rate, frame_size=coder.frame_size or 1024)
            heard = av.AudioFrame.from_ndarray((8000 * np.sin(np.arange(22_050) / 9)).astype(np.int16)[None], "s16", "mono")
            heard.sample_rate = rate
            for part in resampler.resample(heard):
                file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    assert facts(path, MEDIA)["seconds"] > 0
    assert _is_let_through(path.read_bytes())


def test_what_begins_as_no_video_does_is_not_sent() -> None:
    noise = random.Random(0)
    others = [noise.randbytes(1024) for _ in range(100)]
    others += [b"not a video", b"%PDF-1.7", b"PK\3\4", b"\x89PNG\r\n\x1a\n", b"<html>", bytes(2000), b"\x7fELF", b"MZ", b"{}"]
    assert not any(map(_is_let_through, others))
    assert _is_let_through(bytes(7) + CLIP.read_bytes())  # zeros before it do not count
    found = [re.search(HEADED, name) is not None for name in ("a.mp4", "a.mp4.mp3", "a.ts", "mp4")]
    assert found == [True, False, False, False]  # raw streams are left to the server


def test_sentences_are_divided_and_joined_before_they_are_dubbed(client: TestClient) -> None:
    job = until(client, client.post("/api/v1/jobs", json={"kind": "dub", "values": {"video": upload(client)["id"]}}).json(), over)
    edits: list[dict[str, float]] = [{"split": 1, "at_s": 0.4}, {"join": 2}]

    def places(upto: int) -> list[tuple[float, float]]:
        rows = client.post(f"/api/v1/jobs/{job['id']}/edited", json={"edits": edits[:upto]}).json()["utterances"]
        return [(one["start_s"], one["end_s"]) for one in rows]

    assert places(0) == [(0.0, 1.0), (1.25, 1.96)]
    assert places(1) == [(0.0, 0.4), (0.4, 1.0), (1.25, 1.96)]
    assert places(2) == [(0.0, 0.4), (0.4, 1.96)]
    refused = client.post(f"/api/v1/jobs/{job['id']}/edited", json={"edits": [{"join": 2}]})
    assert (refused.status_code, refused.json()["error"]) == (400, "there is no such utterance; expected 1 to 2; found 3")
    assert client.post(f"/api/v1/jobs/{job['id']}/edited", json={"edits": [{"cut": 2}]}).status_code == 400
    rows = [{"start_s": start_s, "end_s": end_s} for start_s, end_s in places(2)]
    client.post(f"/api/v1/jobs/{job['id']}/again", json={"rows": rows, "draft": True})
    assert until(client, job, over)["state"] == "asks"  # they are read again first
    assert client.post(f"/api/v1/jobs/{job['id']}/again", json={"rows": rows}).status_code == 200
    assert until(client, job, lambda now: now["state"] == "done")["values"]["rows"][1]["end_s"] == 1.96


def test_an_upload_tells_whether_it_has_a_face_and_speech(client: TestClient, tmp_path: Path) -> None:
    sent = upload(client)
    assert (sent["has_face"], sent["has_speech"]) == (True, True)
    bare = tmp_path / "bare.mp4"
    with VideoWriter(bare, 96, 64, FRAME_RATE, preset="ultrafast") as writer:
        for shade in range(30):
            writer.write_rgb(np.full((64, 96, 3), 8 * shade, np.uint8))
    sent = upload(client, bare)
    assert (sent["has_sound"], sent["has_face"], sent["has_speech"]) == (False, False, False)


def test_a_video_with_a_silent_track_before_the_speaker_s_has_speech(tmp_path: Path) -> None:
    silent, spoken = (silence(2.0), "", "Desktop"), (talk([0.2, 1.5, 0.3]), "", "Microphone")
    film = write_tracks(tmp_path / "film.mkv", [silent, spoken], video=CLIP)
    assert facts(film, VIDEO)["has_speech"]  # as a dub of it reads the second
    assert not facts(write_tracks(tmp_path / "mute.mkv", [silent, silent], video=CLIP), VIDEO)["has_speech"]


@pytest.mark.parametrize(("spoken_s", "fixed_s"), [(4.0, 10.0), (56.0, 7.0)])
def test_a_correction_has_what_is_opened_and_half_a_minute_again(tmp_path: Path, spoken_s: float, fixed_s: float) -> None:
    # 3 s are in no step, 1 s reads and writes, 6 s hear it
    steps = (("read", 0.5), ("faces", 8.0), ("speech", 2.0), ("frames", 4.0), ("check", 6.0), ("write", 0.5))
    said = Utterance(1, Interval(0, spoken_s), fit=TimeFit(Interval(0, spoken_s), spoken_s=spoken_s))
    timings = tuple(Timing(name, seconds) for name, seconds in steps)
    write_script(tmp_path / "report.json", Script(utterances=(said,), made=Made(timings=timings)))
    job = Job("0" * 32, visitor="", kind="dub", title="", words=(), values={}, state="done", began_s=100.0, ended_s=124.0)
    assert results(job, tmp_path)["cost"] == {"fixed_s": fixed_s, "per_s": round(12 / spoken_s, 3)}
