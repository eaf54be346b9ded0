"""The page with the worker and the models that come with NetfLips: a recording is stopped, goes on, and one of its sentences is
corrected."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.media import PictureSource, VideoWriter, read_speech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME
from netflips.serve.app import build_app
from netflips.serve.settings import Settings
from tests.netflips.dubbing.made import Decoded, decode
from tests.netflips.serve.browser import NEEDS_BROWSER, browser, served
from tests.netflips.serve.conftest import CLIP

pytestmark = NEEDS_BROWSER
WAIT_MS = 240_000
TIMES, PAUSE = 3, 25
"""How often the demo clip is said, and pictures without speech behind each."""
CORRECTION = "은행이 어디에 있어요?"
SAME_SOUND, SAME_PICTURES = 0.001, 0.05
"""Samples, and pictures of 0..255, that were coded once more differ by less on average; another sentence's by more."""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo clip three times, with pauses."""
    source, speech = PictureSource(CLIP), read_speech(CLIP)
    pictures = [one.rgb.copy() for one in source]
    pictures += pictures[-1:] * PAUSE
    sound = np.zeros(len(pictures) * SAMPLES_PER_FRAME, np.float32)
    sound[: len(speech)] = speech
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    with VideoWriter(path, source.info.width, source.info.height, FRAME_RATE, SAMPLE_RATE, preset="ultrafast") as writer:
        for _ in range(TIMES):
            for picture in pictures:
                writer.write_picture(picture)
            writer.write_sound(sound)
    return path


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A visitor's page at a server of its own; an error in a script fails the test."""
    with served(build_app(Settings(tmp_path, running=("--device", "cpu")))) as address, browser() as chromium:
        made = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
        made.set_default_timeout(WAIT_MS)
        troubles: list[str] = []
        made.on("pageerror", lambda error: troubles.append(str(error)))
        made.goto(address)
        made.wait_for_selector("body[data-ready]")
        yield made
        made.close()
        assert troubles == []


def test_a_recording_is_stopped_goes_on_and_one_sentence_of_it_is_corrected(page: Any, talk: Path, tmp_path: Path) -> None:
    page.set_input_files("#dub .file[data-file=video] input", str(talk))
    page.click("#dub form summary")
    page.select_option("#dub select[name=timing]", "source")
    page.click("#dub form button.main")
    page.click("#dub .job button[data-act=dubIt]")
    card = page.wait_for_selector("#dub .job[data-state=running]")
    first = card.get_attribute("data-id")
    _wait_for_pictures(page, card)
    page.click("#dub .job button.stop")
    page.wait_for_selector("#dub .job[data-state=stopped]")
    assert [one["name"] for one in _facts(page, first)["files"]] == ["source.mp4"]
    page.click("#dub .job button[data-act=goOn]")
    page.wait_for_selector("#dub .job[data-state=done] video")
    before = _facts(page, first)
    assert len(before["utterances"]) == TIMES
    assert {one["said"] for one in before["utterances"]} == {"실례합니다, 공항이 어디에 있어요?"}  # though said in a hurry
    assert before["work"]["speech"] == {"made": 0, "kept": TIMES}  # said before it was stopped
    _play(page, first)
    with page.context.expect_page() as opened:
        page.click(f".job[data-id='{first}'] a:has-text('report')")
    opened.value.wait_for_load_state()
    assert before["utterances"][0]["heard"] in opened.value.inner_text("body")
    opened.value.close()

    rows = page.locator(f".job[data-id='{first}'] .rows tbody tr")
    rows.nth(1).locator("textarea").fill(CORRECTION)
    rows.nth(1).locator("button.hear").click()
    sound = rows.nth(1).locator("audio")
    sound.wait_for()
    assert 0.8 < sound.evaluate("one => new Promise(yes => { one.onended = () => yes(one.duration); one.play(); })") < 2.5
    assert [one["id"] for one in page.request.get(f"{page.url.partition('#')[0]}jobs").json()["jobs"]] == [first]  # not kept
    page.click(f".job[data-id='{first}'] button[data-act=again]")
    page.wait_for_selector(f"#dub .job[data-state=done]:not([data-id='{first}']) video")
    second = str(page.locator("#dub .job").first.get_attribute("data-id"))
    after = _facts(page, second)
    assert [one["said"] == was["said"] for one, was in zip(after["utterances"], before["utterances"], strict=True)] == [
        True,
        False,
        True,
    ]
    assert after["utterances"][1]["said"] == CORRECTION
    assert after["work"]["speech"] == {"made": 1, "kept": TIMES - 1}
    _require_one_other(tmp_path, [first, second], before["utterances"])


def test_the_avatar_is_asked_by_one_button(page: Any) -> None:
    page.click("#tab-avatar")
    button = page.locator("#avatar .aloud button")
    assert page.locator("#avatar form button:visible").count() == 1
    button.press("Enter")
    page.wait_for_function("() => document.querySelector('#avatar .aloud button').textContent === 'I have asked'")
    page.wait_for_timeout(1000)
    button.press("Enter")
    page.wait_for_selector("#avatar .job[data-state=done] video")
    assert (
        page.inner_text("#avatar .answer") == "미안해요, 다시 물어봐 주세요."
    )  # nothing is understood: the browser's microphone beeps
    video = page.locator("#avatar .job video")
    video.evaluate("one => new Promise(yes => { one.onended = yes; one.play(); })")
    page.click("#avatar button[data-act=repeat]")
    page.wait_for_function("() => { const one = document.querySelector('#avatar .job video'); return !one.ended && !one.paused; }")


def _wait_for_pictures(page: Any, card: Any) -> None:
    """Until some pictures are drawn; the share of the work that is done only grows on the way."""
    shares = page.evaluate(
        """one => new Promise(yes => {
            const seen = [];
            const look = () => {
                seen.push(Number(one.dataset.share));
                if (one.dataset.state !== "running" || seen.at(-1) > 0.65) return yes(seen);
                setTimeout(look, 50);
            };
            look();
        })""",
        card,
    )
    assert shares == sorted(shares)
    assert len(set(shares)) > 5
    assert 0.65 < shares[-1] < 1


def _facts(page: Any, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.request.get(f"{page.url.partition('#')[0]}jobs/{job}").text())
    return found


def _play(page: Any, job: str) -> None:
    """Play a dub to its end; the original is where the dub is."""
    original, dub = (page.locator(f".job[data-id='{job}'] video").nth(number) for number in (0, 1))
    dub.evaluate("one => { one.currentTime = one.duration - 1; }")
    dub.evaluate("one => new Promise((yes, no) => { one.onended = yes; one.onerror = no; one.muted = true; one.play(); })")
    assert abs(original.evaluate("one => one.currentTime") - dub.evaluate("one => one.currentTime")) < 0.35


def _require_one_other(folder: Path, jobs: list[str], utterances: list[dict[str, Any]]) -> None:
    """Of two dubs all but the second utterance sounds and looks alike."""
    one, other = (decode(folder / "jobs" / job / "result.mp4") for job in jobs)
    for number, said in enumerate(utterances):
        sound, pictures = _apart(one, other, said["output_start_s"], said["output_end_s"])
        assert (sound < SAME_SOUND, pictures < SAME_PICTURES) == (number != 1, number != 1), (number, sound, pictures)


def _apart(one: Decoded, other: Decoded, start_s: float, stop_s: float) -> tuple[float, float]:
    """Mean distance of samples and of pictures between two moments."""
    samples = slice(int(start_s * one.rate), int(stop_s * one.rate))
    shown = (one.times >= start_s) & (one.times < stop_s)
    pictures = np.abs(one.pictures[shown].astype(np.int16) - other.pictures[shown].astype(np.int16))
    return float(np.abs(one.sound[samples] - other.sound[samples]).mean()), float(pictures.mean())
