"""A server in a thread and the system's Chromium in front of it; tests skip, with the reason, where there is none."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netflips.serve.app import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_BROWSER = [
    pytest.mark.local,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path; playwright's own is never downloaded"),
]
WAIT_MS = 60_000
_CLIP = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.mp4"
_FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--mute-audio"]


@contextmanager
def served(app: Any) -> Iterator[str]:
    server = make_server(app)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, which is given a camera that is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield made
        made.close()


def dub(page: Any) -> str:
    """Dub the demo clip; returns the job's id."""
    page.set_input_files("#dub .file[data-file=video] input", str(_CLIP))
    page.click("#dub form button.main")
    job = page.wait_for_selector("#dub .job[data-state=asks]").get_attribute("data-id")
    page.click(f".job[data-id='{job}'] button[data-act=dubIt]")
    page.wait_for_selector(f".job[data-id='{job}'][data-state=done] video")
    page.wait_for_function(  # what is done is in sight, its download first
        f"() => document.querySelector(`.job[data-id='{job}'] .outcome a.main`)?.getBoundingClientRect().bottom <= innerHeight"
    )
    return str(job)


def state_of(page: Any, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.request.get(f"{page.url.partition('#')[0]}api/v1/jobs/{job}").text())
    return found
