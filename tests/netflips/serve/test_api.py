"""The JSON API for programs: its description is true, a token opens it, and OpenAI's clients get speech."""

import http.client
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from avcore.errors import NetflipsError
from avcore.media import probe, read_speech, write_speech_pieces
from avcore.media.writer import is_synthetic
from netflips.serve import command
from netflips.serve.app import API, build_app
from netflips.serve.command import ServeOptions, serve_settings
from netflips.serve.fields import checked
from netflips.serve.kinds import KINDS
from netflips.serve.openai_speech import FORMATS, MODEL, RATE, encoded
from tests.netflips.serve.browser import served
from tests.netflips.serve.conftest import LOCAL, ROOT, app_of, dubbed, over, say, until, upload
from tests.netflips.serve.openapi import openapi

PAGE = ROOT / "docs" / "api_http.md"
DESCRIPTION = openapi()
BEARER = {"Authorization": "Bearer a long secret"}
AN_ID = "0" * 32


def _fits(schema: str, value: Any) -> None:
    Draft202012Validator({**DESCRIPTION, "$ref": f"#/components/schemas/{schema}"}).validate(value)


def test_the_description_names_the_addresses_that_there_are(client: TestClient) -> None:
    validate(DESCRIPTION)
    assert client.get(f"{API}/openapi.json").json() == DESCRIPTION, "python -m tests.netflips.serve.openapi writes it"
    (api,) = (one for one in client.app.routes if isinstance(one, Mount) and one.path == API)  # type: ignore[attr-defined]
    there = {
        (API + one.path, method) for one in api.routes if isinstance(one, Route) for method in one.methods or () if method != "HEAD"
    }
    described = {
        (path, method.upper())
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == {one for one in there if one[1] != "HEAD"}


def test_answers_are_as_they_are_described(client: TestClient) -> None:
    _fits("About", client.get(f"{API}/about").json())
    sent = upload(client)
    _fits("Upload", sent)
    _fits("Upload", client.post(f"{API}/example?as=image").json())
    done = dubbed(client, {"video": sent["id"]})
    assert done["utterances"]
    for job in (done, until(client, say(client, "fail"), over), until(client, say(client, "one"), over)):
        _fits("Job", job)
    for facts in client.get(f"{API}/jobs").json()["jobs"]:
        _fits("Facts", facts)
    for answer in (client.get(f"{API}/nowhere"), client.put(f"{API}/jobs"), client.get(f"{API}/jobs/{AN_ID}")):
        _fits("Error", answer.json())
        assert re.search("[가-힣]", answer.json()["error_ko"])
    assert client.put(f"{API}/stop").status_code == 404
    wrong_way = client.put(f"{API}/about")
    assert (wrong_way.status_code, set(wrong_way.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda one: one.name)
def test_a_form_that_fits_the_description_is_taken_and_no_other(kind: Any) -> None:
    form = DESCRIPTION["components"]["schemas"][f"values_of_{kind.name}"]
    right: dict[str, Any] = {name: "x" if name == "text" else AN_ID for name in form["required"]}
    choices = {name: one["enum"][-1] for name, one in form["properties"].items() if "enum" in one}
    numbers = {name: one["maximum"] for name, one in form["properties"].items() if "maximum" in one}
    wrong = [right | {"words": "rm"}, *(right | {name: "xx"} for name in choices), *(right | {name: 9.0} for name in numbers)]
    wrong += [{name: value for name, value in right.items() if name != one} for one in right]
    wrong += [right | {name: "yes"} for name, one in form["properties"].items() if one.get("type") == "boolean"]
    for values in (right, right | choices, right | numbers):
        _fits("NewJob", {"kind": kind.name, "values": values})
        assert checked(kind.fields, values)
    for values in wrong:
        with pytest.raises(NetflipsError):
            checked(kind.fields, values)
        schema = {**DESCRIPTION, "$ref": "#/components/schemas/NewJob"}
        assert not Draft202012Validator(schema).is_valid({"kind": kind.name, "values": values}), values


def test_a_dub_goes_through_at_once_where_that_is_asked_for(client: TestClient) -> None:
    form = {"kind": "dub", "values": {"video": upload(client)["id"]}}
    done = until(client, client.post(f"{API}/jobs", json=form | {"draft": False}).json(), over)
    assert (done["state"], done["is_draft"], done["files"][0]["name"]) == ("done", False, "result.mp4")
    assert until(client, client.post(f"{API}/jobs", json=form).json(), over)["state"] == "asks"
    refused = client.post(f"{API}/jobs", json=form | {"draft": "no"})
    assert (refused.status_code, refused.json()["error"]) == (400, "draft cannot be used; expected true or false; found no")


def test_the_wave_and_exports_of_a_dub(client: TestClient) -> None:
    job = dubbed(client, {"video": upload(client)["id"]})
    address = f"{API}/jobs/{job['id']}"
    wave = client.get(f"{address}/wave").json()
    assert len(wave["peaks"]) == pytest.approx(wave["seconds"] / 0.02, abs=3)
    assert 10 < max(wave["peaks"]) <= 100
    assert client.get(f"{address}/exports/publish").status_code == 404
    for export, names in (("publish", ["clip_ko.ko.txt"]), ("edit", ["result.mp4", "result.otio", "source.mp4", "stems/a.wav"])):
        assert client.post(f"{address}/again", json={"export": export}).status_code == 200
        assert export in until(client, job, lambda now: now["state"] == "done")["exports"]
        with zipfile.ZipFile(io.BytesIO(client.get(f"{address}/exports/{export}").content)) as archive:
            assert sorted(archive.namelist()) == names
            assert archive.testzip() is None
    assert client.post(f"{address}/again", json={"export": "all"}).status_code == 400


def test_what_the_page_loads_of_our_own_is_small(client: TestClient) -> None:
    names = [one.name for one in (ROOT / "netflips" / "serve" / "page").iterdir() if one.is_file()]
    sent = [client.get(f"/{name}", headers={"Accept-Encoding": "gzip"}) for name in names]
    assert {one.headers["Content-Encoding"] for one in sent} <= {"gzip"}
    assert sum(one.num_bytes_downloaded for one in sent) < 60_000


def test_programs_with_the_token_are_one_visitor_others_refused(tmp_path: Path) -> None:
    app = app_of(tmp_path, host="0.0.0.0", token="a long secret")
    with TestClient(app, base_url="http://dub.example", headers=BEARER) as program:
        job = say(program, "one")
        assert "set-cookie" not in program.get(f"{API}/about").headers
        other = TestClient(app, base_url="http://dub.example", headers=BEARER)
        assert [one["id"] for one in other.get(f"{API}/jobs").json()["jobs"]] == [job["id"]]
        assert until(other, job, over)["state"] == "done"

        browser = TestClient(app, base_url="http://dub.example")
        browser.get("/?token=a+long+secret")
        assert browser.get(f"{API}/jobs").json() == {"jobs": []}

        for given, said in (
            ({}, "missing"),
            ({"Authorization": "Bearer a long secre"}, "wrong"),
            ({"Authorization": "Basic a long secret"}, "missing"),
            ({"Authorization": "Bearer "}, "missing"),
        ):
            stranger = TestClient(app, base_url="http://dub.example", headers=given)
            refused = stranger.get(f"{API}/jobs")
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert refused.json()["error"].startswith(f"the token is {said}; expected Authorization: Bearer")
            assert stranger.get("/").headers["www-authenticate"] == "Bearer"
            assert stranger.post("/v1/audio/speech", json={}).status_code == 401
        elsewhere = {"Origin": "http://evil.example"}
        assert program.post(f"{API}/jobs", content=b"{}", headers=elsewhere).status_code == 403
        assert program.post("/v1/audio/speech", content=b"{}", headers=elsewhere).status_code == 403
        assert program.options(f"{API}/jobs", headers=elsewhere).headers.get("access-control-allow-origin") is None


def test_a_token_of_any_letters_is_borne(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path, host="0.0.0.0", token="비밀번호 여덟 글자"), base_url="http://dub.example") as client:
        assert client.get(f"{API}/about", headers={"Authorization": "Bearer 비밀번호 여덟 글자".encode()}).status_code == 200
        assert client.get(f"{API}/about", headers={"Authorization": "Bearer 비밀번호 여덟 글사".encode()}).status_code == 401
        assert client.get(f"{API}/about", headers={"Authorization": b"Bearer \xff\xfe"}).status_code == 401


def test_without_a_token_the_api_answers_this_machine_alone(client: TestClient) -> None:
    assert client.get(f"{API}/about", headers={"Host": "evil.example", **BEARER}).status_code == 421
    assert client.post("/v1/audio/speech", headers={"Host": "evil.example", **BEARER}).status_code == 421


def test_a_token_comes_from_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "token").write_text("of the file\n")
    settings = serve_settings(ServeOptions(host="0.0.0.0", token_file=tmp_path / "token"))
    assert settings.token == "of the file"
    command._announce(settings, 7860, is_shown=False)
    assert "of the file" not in caplog.text.replace("+", " ")
    for content in (" \n", "short", "two long\nlines of it\n"):
        (tmp_path / "token").write_text(content)
        with pytest.raises(NetflipsError, match="--token-file is no secret; expected a line of 8 letters or more"):
            serve_settings(ServeOptions(token_file=tmp_path / "token"))
    with pytest.raises(NetflipsError, match="the token is given twice"):
        serve_settings(ServeOptions(token="a long secret", token_file=tmp_path / "token"))


@pytest.mark.local
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the path")
def test_the_examples_of_the_page_run_against_a_server(tmp_path: Path) -> None:
    """With the worker and the models that come with NetfLips; the token's file is the one that the page's command makes."""
    key, *examples = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    _bash(key, tmp_path)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    settings = serve_settings(ServeOptions(token_file=tmp_path / "token", work_dir=tmp_path / "page"))
    shutil.copy(files("netflips.serve") / "example.mp4", tmp_path / "talk.mp4")  # type: ignore[call-overload]

    with served(build_app(settings)) as address:
        told = _bash("\n".join(examples).replace("http://127.0.0.1:7860", address), tmp_path)
    assert told.count('"state":"done"') == told.count('"state":"asks"') == told.count('"state":"stopped"') == 1
    assert probe(tmp_path / "talk_ko.mp4").has_video
    assert "-->" in (tmp_path / "talk_ko.srt").read_text(encoding="utf-8")
    assert len(read_speech(tmp_path / "hello.mp3")) > 16_000
    (left,) = (tmp_path / "page" / "jobs").iterdir()
    assert json.loads((left / "job.json").read_text(encoding="utf-8"))["values"]["rows"][0]["spoken"] == "공항이 어디예요?"


def _bash(script: str, folder: Path) -> str:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr
    return done.stdout


# Speech as OpenAI's clients ask for it


@pytest.fixture
def speaking(tmp_path: Path) -> Iterator[TestClient]:
    """A program's client; the stand-in of the worker writes a real recording for the text `tone`."""
    with TestClient(app_of(tmp_path / "page"), base_url=LOCAL, headers=BEARER) as made:
        yield made


def _speech(client: TestClient, **form: Any) -> Any:
    return client.post("/v1/audio/speech", json={"model": MODEL, "input": "tone", "voice": _voices(client)[0]} | form)


def _voices(client: TestClient) -> list[str]:
    voices: list[str] = client.get(f"{API}/about").json()["voices"]
    return voices


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_is_spoken_in_each_format(speaking: TestClient, name: str) -> None:
    answer = _speech(speaking, response_format=name)
    assert (answer.status_code, answer.headers["content-type"]) == (200, FORMATS[name][2])
    if name == "pcm":
        samples, rate = np.frombuffer(answer.content, "<i2"), RATE
    else:
        with av.open(io.BytesIO(answer.content)) as container:
            frames = list(container.decode(audio=0))
            samples, rate = np.concatenate([one.to_ndarray()[0] for one in frames]), frames[0].sample_rate
            assert (container.format.name.split(",")[0], len(frames[0].layout.channels)) == (
                FORMATS[name][0].replace("adts", "aac"),
                1,
            )
    assert rate == (48_000 if name == "opus" else RATE)
    assert len(samples) / rate == pytest.approx(0.5, abs=0.06)
    peak = np.abs(np.fft.rfft(samples[: rate // 4].astype(float))).argmax() * 4
    assert peak == pytest.approx(440, abs=8)
    assert speaking.get(f"{API}/jobs").json() == {"jobs": []}  # nobody asks for it again


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav"])
def test_the_tag_of_the_speech_goes_along(tmp_path: Path, name: str) -> None:
    write_speech_pieces(tmp_path / "said.wav", [np.zeros(RATE, np.float32)], RATE, comment="synthetic: NetfLips")
    (made := tmp_path / f"made.{name}").write_bytes(encoded(tmp_path / "said.wav", name))
    assert is_synthetic(made)


def test_the_usual_format_is_openais(speaking: TestClient) -> None:
    answer = _speech(speaking, speed=1.5)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"input": ""}, 400, "input cannot be used"),
        ({"input": None}, 400, "input cannot be used"),
        ({"input": "x" * 5001}, 400, "input cannot be used"),
        ({"model": "tts-1"}, 404, f"there is no such model; expected {MODEL}"),
        ({"voice": "alloy"}, 400, "there is no such voice; expected "),
        ({"voice": None}, 400, "there is no such voice; expected "),
        ({"voice": {"name": "x"}}, 400, "there is no such voice"),
        ({"voice": ["x"]}, 400, "there is no such voice"),
        ({"response_format": "midi"}, 400, "response_format cannot be used; expected mp3 or opus or aac or flac or wav or pcm"),
        ({"response_format": ["mp3"]}, 400, "response_format cannot be used"),
        ({"speed": 4.0}, 400, "speed cannot be used; expected 0.5 to 2"),
        ({"stream_format": "sse"}, 400, "stream_format is not known here"),
        ({"input": "fail"}, 400, "it cannot be said"),
        ({"input": "crash"}, 503, "its process was ended"),
    ],
)
def test_what_cannot_be_said_is_an_error_of_openais_form(
    speaking: TestClient, form: dict[str, Any], status: int, said: str
) -> None:
    answer = _speech(speaking, **form)
    error = answer.json()["error"]
    assert (answer.status_code, set(error)) == (status, {"message", "type", "param", "code"}), answer.text
    assert said in error["message"]
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert speaking.get(f"{API}/jobs").json() == {"jobs": []}


def test_speech_has_the_limits_of_the_queue(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path, most_waiting_each=0), base_url=LOCAL, headers=BEARER) as client:
        answer = _speech(client)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "invalid_request_error")


def test_no_speech_is_made_for_a_client_that_is_gone(tmp_path: Path) -> None:
    with served(app_of(tmp_path)) as address:
        place = address.removeprefix("http://")
        voice = json.loads(_got(place, f"{API}/about"))["voices"][0]
        gone = http.client.HTTPConnection(place, timeout=1)
        gone.request("POST", "/v1/audio/speech", json.dumps({"model": MODEL, "input": "slow", "voice": voice}), BEARER)
        with pytest.raises(TimeoutError):
            gone.getresponse()
        assert [one["state"] for one in json.loads(_got(place, f"{API}/jobs"))["jobs"]] == ["running"]
        gone.close()
        for _ in range(200):
            if not json.loads(_got(place, f"{API}/jobs"))["jobs"]:
                break
        assert json.loads(_got(place, f"{API}/jobs")) == {"jobs": []}


def _got(place: str, path: str) -> bytes:
    time.sleep(0.02)
    connection = http.client.HTTPConnection(place, timeout=30)
    connection.request("GET", path, headers=BEARER)
    return connection.getresponse().read()
