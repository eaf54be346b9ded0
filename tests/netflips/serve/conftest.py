"""A server whose worker is a stand-in, and small files to send."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from netflips.bundles.references import read_references
from netflips.serve.app import build_app
from netflips.serve.service import Service
from netflips.serve.settings import Settings
from netflips.serve.uploads import Uploads
from netflips.serve.worker_process import WorkerProcess
from tests.netflips.serve.browser import WAIT_MS, browser, served

ROOT = Path(__file__).resolve().parents[3]
CLIP = ROOT / "docs" / "clip" / "clip.mp4"
FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
LOCAL = "http://localhost"


@pytest.fixture(scope="session", autouse=True)
def each_file_is_looked_at_once() -> Iterator[None]:
    """The same content is looked at by another process only the first time, and the bundle's sentences are read once."""
    look, known = Uploads._look, dict[tuple[bytes, str], Mapping[str, Any]]()

    async def once(uploads: Uploads, file: Path, kind: str, name: str) -> Mapping[str, Any]:
        key = file.read_bytes(), kind
        if key not in known or known[key]["seconds"] > uploads._settings.longest_s:
            known[key] = await look(uploads, file, kind, name)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Uploads, "_look", once)
        patch.setattr("netflips.serve.service.read_references", cache(read_references))
        yield


def app_of(folder: Path, **changes: Any) -> Any:
    """The application with a stand-in for the worker. The bundle has no text-to-unit model: that it has one is pretended."""
    settings = Settings(folder, **{"models": {"--text2unit-path": "/speller"}, "reserve_bytes": 0} | changes)
    return build_app(settings, Service(settings, WorkerProcess(FAKE_WORKER)))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A visitor's browser at a server of its own."""
    with TestClient(app_of(tmp_path / "page"), base_url=LOCAL) as made:
        yield made


def say(client: TestClient, text: str, status: int = 201) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs", json={"kind": "say", "values": {"text": text}})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def until(client: TestClient, job: dict[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for _ in range(1500):
        now: dict[str, Any] = client.get(f"/api/v1/jobs/{job['id']}").json()
        if wanted(now):
            return now
        time.sleep(0.02)
    raise AssertionError(now)


def dubbed(client: TestClient, values: dict[str, Any], **form: Any) -> dict[str, Any]:
    """Dub: the texts are read first, and as they are (form: corrected) they are said."""
    job = until(client, client.post("/api/v1/jobs", json={"kind": "dub", "values": values}).json(), over)
    assert (job["state"], job["files"][0]["name"], {one["shows"] for one in job["files"]}) == ("asks", "draft.json", {"", "given"})
    assert client.post(f"/api/v1/jobs/{job['id']}/again", json=form).status_code == 200
    return until(client, job, lambda now: now["state"] == "done")


def over(job: dict[str, Any]) -> bool:
    return job["state"] in ("done", "failed", "stopped", "asks")


def upload(client: TestClient, path: Path = CLIP, kind: str = "video", name: str = "") -> dict[str, Any]:
    answer = client.post(f"/api/v1/uploads?name={name or path.name}&as={kind}", content=path.read_bytes())
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(app_of(tmp_path_factory.mktemp("page"))) as made:
        yield made


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """A visitor's page; an error in a script, or a request to another server, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    made = context.new_page()
    made.set_default_timeout(WAIT_MS)
    troubles: list[str] = []
    made.on("pageerror", lambda error: troubles.append(str(error)))
    made.on("request", lambda asked: troubles.append(asked.url) if not asked.url.startswith((address, "blob:", "data:")) else None)
    made.goto(address)
    made.wait_for_selector("body[data-ready]")
    yield made
    context.close()
    assert troubles == []
