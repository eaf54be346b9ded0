"""A page that is offered to others: visitors are told and asked, and what it makes says what it is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from avcore.errors import InputError, UsageError
from netflips.provenance.options import LIPS, SPEECH_AND_LIPS, VIDEO, read_consent
from netflips.script.types import Consent
from netflips.serve.command import ServeOptions, serve_settings
from netflips.serve.kinds import KINDS
from tests.netflips.serve.conftest import LOCAL, app_of, dubbed, over, until, upload

AGREED = {"agreed": True, "people": "A. Kim", "agreed_until": "2999-12-31"}


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[TestClient]:
    """A visitor's browser at the server of an operator."""
    app = app_of(tmp_path / "page", operator="A <b>Studio</b>", signing=("--sign-key", "/k.pem", "--sign-certificate", "/c.pem"))
    with TestClient(app, base_url=LOCAL) as made:
        made.folder = tmp_path / "page" / "jobs"  # type: ignore[attr-defined]
        yield made


def start(client: TestClient, **values: Any) -> Any:
    return client.post("/api/v1/jobs", json={"kind": "dub", "values": {"video": upload(client)["id"]} | values})


def test_no_dub_begins_without_a_consent_that_holds(operated: TestClient) -> None:
    nobody = "those who are seen and heard must have agreed"
    for values, words in (
        ({}, nobody),
        ({"agreed": False, "people": "A. Kim"}, nobody),
        ({"agreed": True, "people": "  "}, nobody),
        (AGREED | {"agreed_until": "2001-01-01"}, "the consent of A. Kim is over"),
        (AGREED | {"agreed_until": "soon"}, "until is no date"),
        (AGREED | {"people": "a\nb"}, "people cannot be used"),
        (AGREED | {"people": 7}, "people cannot be used"),
    ):
        answer = start(operated, **values)
        assert (answer.status_code, words in answer.json()["error"]) == (400, True), values
        assert re.search("[가-힣]", answer.json()["error_ko"])
    assert operated.get("/api/v1/jobs").json()["jobs"] == []


def test_a_project_s_consent_is_asked_once_and_goes_to_the_command(operated: TestClient) -> None:
    done = dubbed(operated, {"video": upload(operated)["id"], "label": True} | AGREED)
    folder = operated.folder / done["id"]  # type: ignore[attr-defined]
    words = json.loads((folder / "job.json").read_text(encoding="utf-8"))["words"]
    assert words[words.index("--consent") :][:2] == ["--consent", "consent.json"]
    assert words[-2:] == ["--config", "options.yaml"]
    signing = {"operator": "A <b>Studio</b>", "sign_key": "/k.pem", "sign_certificate": "/c.pem"}
    assert json.loads((folder / "options.yaml").read_text(encoding="utf-8")) == signing
    assert "--burn-label" not in words  # the label is the operator's
    (consent,) = read_consent(folder / "consent.json")
    assert consent == Consent("A. Kim", "their image and voice in a video that is made with generative AI", "2999-12-31")
    rows = [{"start_s": 0.0, "end_s": 1.0, "spoken": "네"}]
    values = {"video": done["values"]["video"]}
    again = operated.post("/api/v1/jobs", json={"kind": "dub", "values": values, "rows": rows, "after": done["id"]})
    assert again.status_code == 201, again.text
    assert until(operated, again.json(), over)["values"]["people"] == "A. Kim"
    other = start(operated)
    assert other.status_code == 400  # another project is asked anew


def test_an_operator_offers_only_what_marks_what_it_makes(operated: TestClient) -> None:
    assert [name for name, kind in KINDS.items() if kind.is_marked] == ["dub", "lipsync", "portrait", "transcribe", "avatar"]
    answer = operated.post("/api/v1/jobs", json={"kind": "say", "values": {"text": "네"}})
    assert answer.status_code == 400
    assert "no such kind" in answer.json()["error"]
    assert "say" not in answer.json()["error"].partition("expected")[2]
    speech = {"model": "netflips-say", "voice": operated.get("/api/v1/about").json()["voices"][0], "input": "네"}
    refused = operated.post("/v1/audio/speech", json=speech)
    assert (refused.status_code, refused.json()["error"]["message"]) == (404, "this server speaks no text alone")
    assert operated.get("/api/v1/about").json()["operator"] == "A <b>Studio</b>"


def test_lips_of_a_video_are_asked_for_and_marked_as_a_dub_is(operated: TestClient) -> None:
    asked = {"video": upload(operated)["id"], "speech": upload(operated)["id"]}
    answer = operated.post("/api/v1/jobs", json={"kind": "lipsync", "values": asked})
    assert answer.status_code == 400
    assert "those who are seen and heard must have agreed" in answer.json()["error"]
    answer = operated.post("/api/v1/jobs", json={"kind": "lipsync", "values": asked | AGREED})
    assert answer.status_code == 201, answer.text
    folder = operated.folder / answer.json()["id"]  # type: ignore[attr-defined]
    words = json.loads((folder / "job.json").read_text(encoding="utf-8"))["words"]
    assert words[words.index("--operator") :][:4] == ["--operator", "A <b>Studio</b>", "--consent", "consent.json"]
    assert read_consent(folder / "consent.json")[0].who == "A. Kim"


def test_a_page_of_ones_own_asks_nothing(client: TestClient) -> None:
    assert client.get("/api/v1/about").json()["operator"] == ""
    assert dubbed(client, {"video": upload(client)["id"]})["values"]["people"] == ""


def test_the_page_tells_and_asks_in_both_languages(operated: TestClient) -> None:
    page, words = operated.get("/").text, operated.get("/words.js").text
    assert 'id="operator"' in page
    assert re.search(r'<fieldset data-operator="yes" hidden>.*name="agreed".*name="people".*name="agreed_until"', page, re.DOTALL)
    for key in ("operator", "agreement", "agreed", "people", "agreedUntil"):
        assert len(re.findall(rf"\b{key}: \"", words)) == 2
    assert "생성형 인공지능에 기반하여 운용되며" in words  # Article 31 (1)
    assert "생성형 인공지능에 의하여 생성되었다는 사실" in words  # Article 31 (2)
    assert all("AI로 생성된" in one.label and "AI-generated" in one.label for one in (LIPS, SPEECH_AND_LIPS, VIDEO))
    assert "innerHTML" not in operated.get("/app.js").text  # a name is text


def test_the_key_of_an_operator_is_tried_before_anybody_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("c2pa")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = serve_settings(ServeOptions(operator="Studio", work_dir=tmp_path))
    assert (settings.operator, settings.signing) == ("Studio", ())
    key = tmp_path / "netflips" / "signing" / "key.pem"
    assert key.is_file()
    given = serve_settings(ServeOptions(operator="Studio", work_dir=tmp_path, sign_key=key, sign_certificate=key))
    assert given.signing == ("--sign-key", str(key), "--sign-certificate", str(key))
    (tmp_path / "bad.pem").write_text("hello")
    with pytest.raises(InputError, match="no private key"):
        serve_settings(ServeOptions(operator="Studio", work_dir=tmp_path, sign_key=tmp_path / "bad.pem", sign_certificate=key))
    with pytest.raises(UsageError, match="--sign-key belongs to --operator"):
        serve_settings(ServeOptions(work_dir=tmp_path, sign_key=key, sign_certificate=key))
