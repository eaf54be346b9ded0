"""The page in a real browser: by mouse and by keyboard alone, on a wide and a narrow screen; and with its own models."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.media import FrameSource, SoundWriter, VideoWriter, read_sound, read_speech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME
from netflips.serve.app import build_app
from netflips.serve.settings import Settings
from tests.netflips.dubbing.made import Decoded, decode
from tests.netflips.serve.browser import NEEDS_BROWSER, WAIT_MS, dub, served, state_of
from tests.netflips.serve.conftest import CLIP, app_of

pytestmark = NEEDS_BROWSER
TABS = ("dub", "lips", "speak", "transcribe", "avatar")


def test_dub_play_report_and_a_second_visit(page: Any) -> None:
    job = dub(page)
    video = page.locator(f".job[data-id='{job}'] video").nth(1)
    video.evaluate("one => new Promise((yes, no) => { one.onended = yes; one.onerror = no; one.muted = true; one.play(); })")
    assert 1.5 < video.evaluate("one => one.duration") < 2.5
    original = page.locator(f".job[data-id='{job}'] video").nth(0)
    assert abs(original.evaluate("one => one.currentTime") - video.evaluate("one => one.currentTime")) < 0.35
    with page.context.expect_page() as opened:
        page.click(f".job[data-id='{job}'] a:has-text('report')")
    opened.value.wait_for_load_state()
    assert opened.value.title() == "report"
    page.reload()
    page.wait_for_selector(f".job[data-id='{job}'][data-state=done] video")


def test_one_sentence_is_corrected(page: Any) -> None:
    job = dub(page)
    rows = page.locator(f".job[data-id='{job}'] .rows .row")
    again = f".job[data-id='{job}'] button[data-act=again]"
    assert page.is_disabled(again)
    rows.nth(1).locator("textarea").fill("두 번째예요.")
    assert rows.nth(1).get_attribute("class") == "row changed"
    page.click(again)
    page.wait_for_selector(f"#dub .job[data-state=done]:not([data-id='{job}'])")
    second = page.locator("#dub .job").first.get_attribute("data-id")
    rows = state_of(page, second)["values"]["rows"]
    assert rows[0] == {"start_s": 0.0, "end_s": 1.0, "spoken": "", "speaker": "", "speech": ""}
    assert rows[1]["spoken"] == "두 번째예요."
    card = page.locator("#dub .job").first
    assert page.locator(f".job[data-id='{job}'] .rows").is_hidden()  # older jobs are folded
    card.locator("textarea").nth(1).fill("세 번째예요.")
    card.locator("button[data-act=again]").click()
    page.wait_for_selector(f"#dub .job[data-state=done]:not([data-id='{job}']):not([data-id='{second}']) .rows")


def test_an_upload_is_stopped(page: Any) -> None:
    page.route("**/uploads?*", lambda route: None)  # never answered
    page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
    page.click("#dub form button.main")
    page.click("#dub form button.abort")
    page.wait_for_function("() => document.querySelector('#notice').textContent === 'The upload was stopped.'")
    assert page.is_enabled("#dub form button.main")
    assert page.locator("#dub form button.abort").count() == 0
    page.unroute_all(behavior="ignoreErrors")


def test_texts_are_corrected_before_drawing_and_one_sentence_tried(page: Any) -> None:
    page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
    page.click("#dub form summary")
    page.check("#dub input[name=hold]")  # the stand-in understands little of that
    page.click("#dub form button.main")
    job = page.wait_for_selector("#dub .job[data-state=asks]:has(.verdict.not_understood)").get_attribute("data-id")
    assert page.locator(f".job[data-id='{job}'] video").count() == 1  # the original, to play its sentences
    assert page.inner_text(f".job[data-id='{job}'] button[data-act=goOnAnyway]") == "Dub anyway"
    assert page.is_hidden(f".job[data-id='{job}'] button.main")  # the ways out come first
    command = page.inner_text(f".job[data-id='{job}'] .ways code")
    assert command.endswith("netflips models get korean-free")
    assert "1 GB, MIT" in page.inner_text(f".job[data-id='{job}'] .ways")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(f".job[data-id='{job}'] button[data-act=copy]")
    page.wait_for_function("said => navigator.clipboard.readText().then(text => text === said)", arg=command)
    page.locator(f".job[data-id='{job}'] textarea").nth(0).fill("첫 번째예요.")
    assert page.inner_text(f".job[data-id='{job}'] .verdict >> nth=0") == "1 of 2 is still not understood."
    page.locator(f".job[data-id='{job}'] textarea").nth(1).fill("두 번째예요.")
    assert page.inner_text(f".job[data-id='{job}'] .verdict >> nth=0") == "Your text."
    assert page.is_hidden(f".job[data-id='{job}'] .ways")
    assert [page.is_visible(f".job[data-id='{job}'] button[data-act={one}]") for one in ("goOnAnyway", "dubIt")] == [False, True]
    page.locator(f".job[data-id='{job}'] textarea").nth(1).fill("")
    page.locator(f".job[data-id='{job}'] .rows .file input").nth(1).set_input_files(str(CLIP))  # speech for the second
    page.locator(f".job[data-id='{job}'] .voices .file input").set_input_files(str(CLIP))
    page.wait_for_function("() => document.querySelector('#dub .job .voices select').value.length === 32")
    page.locator(f".job[data-id='{job}'] .unfold").nth(1).click()
    page.locator(f".job[data-id='{job}'] .who").nth(1).fill("Bea")  # and she is in the list of voices
    page.locator(f".job[data-id='{job}'] .voices summary").click()
    page.get_by_label("Voices of the speakers: Bea").select_option(value="")
    page.locator(f".job[data-id='{job}'] .terms summary").click()
    assert page.get_by_label("Emily").get_attribute("placeholder") == "에밀리"
    page.get_by_label("NASA").fill("항공우주국")
    page.click(f".job[data-id='{job}'] button[data-act=preview]")
    page.click(f".job[data-id='{job}'][data-state=done] button[data-act=dubAll]")
    page.wait_for_selector(f".job[data-id='{job}'][data-state=done] button[data-act=again]")
    values = state_of(page, job)["values"]
    assert [(one["spoken"], len(one["speech"])) for one in values["rows"]] == [("첫 번째예요.", 0), ("", 32)]
    assert [one["speaker"] for one in values["rows"]] == ["", "Bea"]
    assert list(values["voices"]) == ["speaker 1"]
    assert values["terms"] == {"NASA": "항공우주국"}


def test_a_wrong_file_is_one_line(page: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.mp4"
    cut = tmp_path / "cut.mp4"
    wrong.write_text("not a video")
    cut.write_bytes(CLIP.read_bytes()[:5000])
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url.partition("?name=")[2]))
    for path, said in ((wrong, "notes.mp4: this is no video or sound file"), (cut, "cut.mp4: ")):
        page.set_input_files("#dub .file[data-file=video] input", str(path))
        if path == cut:
            page.click("#dub form button.main")
        page.wait_for_function("said => document.getElementById('notice').textContent.startsWith(said)", arg=said)
        assert "\n" not in page.inner_text("#notice")
        page.wait_for_selector("#dub .file[data-file=video] .chosen:has-text('or drop it here')")  # it left the box
    assert [one for one in sent if one] == ["cut.mp4&as=media"]  # only the server can tell
    page.click("#dub form button.main")
    page.wait_for_function("() => document.getElementById('notice').textContent === 'Choose a video or sound file first.'")
    for name, kind, content in (("a.pdf", "application/pdf", b"%PDF"), ("empty.mp4", "video/mp4", b"")):  # these are not even sent
        page.set_input_files("#dub .file[data-file=video] input", {"name": name, "mimeType": kind, "buffer": content})
        said = f"{name}: this is no video or sound file"
        page.wait_for_function("said => document.getElementById('notice').textContent === said", arg=said)
    page.click("#tab-lips")
    assert page.is_hidden("#notice")  # it was about another tab
    page.click("form[data-kind=lipsync] button.main")
    page.wait_for_selector("#notice:not([hidden])")
    page.select_option("#labels", "ko")
    assert page.is_hidden("#notice")  # and this one in another language


def test_a_long_file_is_not_even_sent(chromium: Any, tmp_path: Path) -> None:
    with served(app_of(tmp_path, longest_s=1.0)) as address:
        page = chromium.new_page(locale="en-US")
        sent: list[str] = []
        page.on("request", lambda asked: sent.append(asked.url) if "/api/v1/uploads" in asked.url else None)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
        page.wait_for_selector("#notice:has-text('clip.mp4: it is too long; 0 minutes at most')")
        page.click("#dub form button.main")
        page.wait_for_selector("#notice:has-text('Choose a video or sound file first.')")  # it left the box
        assert sent == []
        page.close()


def test_progress_grows_and_stop_stops_by_keyboard_alone(page: Any) -> None:
    page.focus("#tab-dub")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-speak"
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("slow")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "main":
            break
    page.keyboard.press("Enter")
    card = page.wait_for_selector("#speak .job[data-state=running]")
    assert page.evaluate("document.activeElement.innerText") == "slow"  # the new card, as the button is not there just now
    page.wait_for_function("one => Number(one.dataset.share) > 0.501", arg=card)
    assert page.inner_text("#announced") == "slow: Speaking"  # once, and no share of it
    first = float(card.get_attribute("data-share"))
    page.wait_for_function("([one, before]) => Number(one.dataset.share) > before", arg=[card, first])
    page.focus("#speak .job button.stop")
    page.keyboard.press("Space")
    page.wait_for_selector("#speak .job[data-state=stopped]")
    assert (page.inner_text("#announced"), page.evaluate("document.activeElement.innerText")) == ("slow: stopped", "slow")
    assert state_of(page, str(card.get_attribute("data-id")))["state"] == "stopped"


def test_title_and_notification_say_that_a_job_ended_unwatched(page: Any) -> None:
    page.evaluate(
        """() => {
        window.notified = [];
        window.Notification = class { static permission = "granted"; constructor(text) { notified.push(text); } };
        Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
        }"""
    )
    for text, mark in (("good", "✓"), ("fail", "✗")):
        page.click("#tab-speak")
        page.fill("#speak textarea", text)
        page.click("#speak form button.main")
        page.wait_for_function("text => document.title === text", arg=f"{mark} {text} \u2013 NetfLips")
    assert page.evaluate("window.notified") == ["✓ good \u2013 NetfLips", "✗ fail \u2013 NetfLips"]
    page.evaluate("() => (delete document.hidden, document.dispatchEvent(new Event('visibilitychange')))")
    assert page.title() == "NetfLips"


def test_a_job_that_would_fail_again_cannot_go_on(page: Any) -> None:
    page.click("#tab-speak")
    page.fill("#speak textarea", "fail")
    page.click("#speak form button.main")
    card = page.wait_for_selector("#speak .job[data-state=failed]:has(.error)")
    acts = card.eval_on_selector_all("header button", "all => all.map(one => one.dataset.act)")
    assert acts == ["hide", "remove"]
    page.click("#tab-dub")
    page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
    page.click("#dub form summary")
    page.check("#dub input[name=label]")  # the stand-in fails with that
    page.click("#dub form button.main")
    page.click("#dub .job[data-state=asks] button[data-act=dubIt]")
    job = page.wait_for_selector("#dub .job[data-state=failed]:has(.error)").get_attribute("data-id")
    page.locator("#dub .job textarea").nth(0).fill("다르게요.")
    page.click("#dub .job button[data-act=again]")
    page.wait_for_selector(f"#dub .job[data-state=failed]:not([data-id='{job}'])")


def test_a_video_without_face_and_sound_is_told_so_before_any_work(page: Any, tmp_path: Path) -> None:
    bare = tmp_path / "bare.mp4"
    with VideoWriter(bare, 96, 64, FRAME_RATE, preset="ultrafast") as writer:
        for shade in range(30):
            writer.write_rgb(np.full((64, 96, 3), 8 * shade, np.uint8))
    count = page.locator("#dub .job").count()
    page.set_input_files("#dub .file[data-file=video] input", str(bare))
    page.click("#dub form button.main")
    page.wait_for_selector("#dub .offers")
    assert "No face was found. This video has no sound." in page.inner_text("#dub .offers")
    assert "no sound" in page.inner_text("#announced")
    assert page.locator("#dub .job").count() == count
    page.select_option("#labels", "ko")
    assert page.inner_text("#dub .offers p >> nth=0") == "얼굴을 찾지 못했습니다. 소리가 없는 영상입니다. 이렇게 해 보세요."
    page.click("#dub .offers [data-act=sayText]")
    assert page.evaluate("document.activeElement.name") == "text"


def test_sentences_are_divided_joined_and_walked_through_by_keys(page: Any) -> None:
    page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
    page.click("#dub form button.main")
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    card = page.locator("#dub .job").nth(0)
    texts = card.locator(".rows textarea")
    assert card.locator(".hear:visible, [data-act=hearSome]:visible").count() == 0  # there is no text to hear
    texts.nth(0).fill("처음이에요.")
    texts.nth(1).fill("또 보자.")
    row = [card.locator(f"{one}").nth(0).bounding_box() for one in (".row [data-act=play]", ".unfold")]
    assert len({one["y"] for one in row}) == 1  # in one line
    card.locator(".unfold").nth(0).click()
    card.locator("[data-act=split]").nth(0).click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job[data-state=asks] .rows textarea').length === 3")
    assert [one.input_value() for one in texts.all()] == ["", "", "또 보자."]  # what was typed stays
    assert [card.locator(f"button[data-act={one}]").is_visible() for one in ("goOnAnyway", "dubIt")] == [False, True]
    texts.nth(0).press("Alt+ArrowDown")
    assert texts.nth(1).evaluate("one => one === document.activeElement")
    card.locator("[data-act=undo]").click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job[data-state=asks] .rows textarea').length === 2")
    assert texts.nth(0).input_value() == "처음이에요."  # that of the sentence which was divided comes back
    card.locator("button[data-act=hearSome]").click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job .rows .heard audio').length === 2")
    card.locator("[data-act=join]").nth(0).click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job[data-state=asks] .rows textarea').length === 1")
    texts.nth(0).fill("다 같이.")
    texts.nth(0).press("Control+Enter")
    page.wait_for_selector("#dub .job[data-state=done] .rows")
    job = state_of(page, str(card.get_attribute("data-id")))
    assert [(one["start_s"], one["end_s"], one["spoken"]) for one in job["values"]["rows"]] == [(0.0, 1.96, "다 같이.")]


def test_a_recording_of_the_camera_is_sent(page: Any) -> None:
    button = page.locator("#dub .file[data-file=video] button.record")
    button.click()
    page.wait_for_function("() => document.querySelector('#dub button.record').textContent === 'Stop recording'")
    page.wait_for_timeout(1500)
    button.click()
    page.wait_for_selector("#dub .file[data-file=video] video")
    page.click("#dub form button.main")
    page.click("#dub .offers [data-act=translateAnyway]")  # this camera sees nobody and hears beeps
    page.wait_for_selector("#dub .job[data-state=asks] .rows")


@pytest.mark.parametrize("labels", ["en", "ko"])
def test_every_tab_fits_a_narrow_screen(page: Any, labels: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.select_option("#labels", labels)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        assert page.is_visible(f"#{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, tab
        untold = page.evaluate(
            f"[...document.querySelectorAll('#{tab} [data-t]')].filter(one => one.textContent === one.dataset.t)"
        )
        assert labels == "en" or untold == []
        unnamed = "[...document.querySelectorAll('button, .choose')].filter(one => !one.innerText && one.checkVisibility())"
        assert page.evaluate(unnamed) == []


def test_the_bundle_dubs_the_example(chromium: Any, tmp_path: Path) -> None:
    """The real worker and the models that come with NetfLips."""
    with served(build_app(Settings(tmp_path, running=("--device", "cpu")))) as address:
        page = chromium.new_page()
        page.set_default_timeout(4 * WAIT_MS)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        count = page.evaluate("async () => (await (await fetch('/api/v1/about')).json()).bundle.knows.match(/[\\d,]+/)[0]")
        assert f"about {count} short English sentences" in page.inner_text("#models")
        assert "one built-in voice" in page.inner_text("#dub .file[data-file=voice]")
        page.click("#dub button.example")  # one click tries it
        page.wait_for_selector("#dub .job[data-state=asks] .verdict.sure")
        assert page.inner_text("#dub .rows .recognized") == page.text_content("#known figcaption >> nth=0")
        assert page.input_value("#dub .rows textarea") == page.text_content("#known figcaption >> nth=1")
        page.click("#dub .job button[data-act=dubIt]")
        card = page.wait_for_selector("#dub .job[data-state=done]")
        job = state_of(page, str(card.get_attribute("data-id")))
        texts = ["result.en.srt", "result.ko.srt"]  # the bundle has a unit-to-text model
        assert [one["name"] for one in job["files"]] == ["result.mp4", "report.html", "report.json", *texts, "source.mp4"]
        assert len(job["utterances"]) == 1
        video = page.locator("#dub .job video").nth(1)
        video.evaluate("one => new Promise((yes, no) => { one.onended = yes; one.onerror = no; one.muted = true; one.play(); })")
        with page.context.expect_page() as opened:
            page.click("#dub .job a:has-text('report')")
        opened.value.wait_for_load_state()
        assert str(tmp_path) not in opened.value.content()
        page.close()


def test_the_bundle_dubs_a_sound_file(chromium: Any, tmp_path: Path) -> None:
    """A podcast: the form takes it, and the result has players for sound."""
    sound, rate = read_sound(CLIP)
    with SoundWriter(tmp_path / "talk.mp3", rate, sound.shape[1]) as writer:
        writer.write_sound(sound)
    with served(build_app(Settings(tmp_path / "page", running=("--device", "cpu")))) as address:
        page = chromium.new_page(locale="en-US")
        page.set_default_timeout(4 * WAIT_MS)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        assert "Video or sound file" in page.inner_text("#dub .file[data-file=video]")
        assert page.locator("#dub select[name=mouth] option").last.get_attribute("value") == "none"
        page.set_input_files("#dub .file[data-file=video] input", str(tmp_path / "talk.mp3"))
        page.click("#dub form button.main")
        page.wait_for_selector("#dub .job[data-state=asks] .verdict.sure")
        assert page.locator("#dub .job .single audio").count() == 1  # to hear it while its texts are read
        page.click("#dub .job button[data-act=dubIt]")
        card = page.wait_for_selector("#dub .job[data-state=done]")
        job = state_of(page, str(card.get_attribute("data-id")))
        assert next((one["name"], one["as"]) for one in job["files"]) == ("result.m4a", "talk_ko.m4a")
        assert (page.locator("#dub .job video").count(), page.locator("#dub .job .pair audio").count()) == (0, 2)
        sounds = page.locator("#dub .job .pair audio").nth(1)
        sounds.evaluate("one => new Promise((yes, no) => { one.onended = yes; one.onerror = no; one.muted = true; one.play(); })")
        with page.context.expect_page() as opened:
            page.click("#dub .job a:has-text('report')")
        opened.value.wait_for_load_state()
        assert opened.value.locator(".player audio").count() == 2
        page.close()


_SERVER = """
import sys
from pathlib import Path
from tests.netflips.serve.browser import served
from tests.netflips.serve.conftest import app_of
with served(app_of(Path(sys.argv[1]))) as address:
    print(address, flush=True)
    sys.stdin.read()
"""


def test_a_server_that_stands_still_is_noticed_within_five_seconds(chromium: Any, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        page = chromium.new_page(locale="en-US")
        page.goto(server.stdout.readline().strip())
        page.wait_for_selector("body[data-ready]")
        page.wait_for_timeout(6000)  # nothing changes, and the server is there
        assert page.is_hidden("#notice")
        server.send_signal(signal.SIGSTOP)
        page.wait_for_selector("#notice:has-text('cannot be reached')", timeout=5500)
        server.send_signal(signal.SIGCONT)
        page.wait_for_selector("#notice", state="hidden", timeout=5500)
        page.context.close()
    finally:
        server.kill()
        server.wait()


SLOW_MS = 240_000
TIMES, PAUSE = 3, 25
"""How often the demo clip is said, and frames without speech behind each."""
CORRECTION = "은행이 어디에 있어요?"
SAME_SOUND, SAME_FRAMES = 0.001, 0.05
"""Samples, and frames of 0..255, that were coded once more differ by less on average; another sentence's by more."""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo clip three times, with pauses."""
    source, speech = FrameSource(CLIP), read_speech(CLIP)
    frames = [one.rgb.copy() for one in source]
    frames += frames[-1:] * PAUSE
    sound = np.zeros(len(frames) * SAMPLES_PER_FRAME, np.float32)
    sound[: len(speech)] = speech
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    with VideoWriter(path, source.info.width, source.info.height, FRAME_RATE, SAMPLE_RATE, preset="ultrafast") as writer:
        for _ in range(TIMES):
            for frame in frames:
                writer.write_rgb(frame)
            writer.write_sound(sound)
    return path


@pytest.fixture
def live(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """A visitor's page at a server of its own; an error in a script fails the test."""
    with served(build_app(Settings(tmp_path, running=("--device", "cpu")))) as address:
        made = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
        made.set_default_timeout(SLOW_MS)
        troubles: list[str] = []
        made.on("pageerror", lambda error: troubles.append(str(error)))
        made.goto(address)
        made.wait_for_selector("body[data-ready]")
        yield made
        made.close()
        assert troubles == []


def test_a_recording_stops_goes_on_and_one_sentence_is_corrected(live: Any, talk: Path, tmp_path: Path) -> None:
    live.set_input_files("#dub .file[data-file=video] input", str(talk))
    live.click("#dub form summary")
    live.select_option("#dub select[name=timing]", "source")
    live.click("#dub form button.main")
    live.click("#dub .job button[data-act=dubIt]")
    card = live.wait_for_selector("#dub .job[data-state=running]")
    first = card.get_attribute("data-id")
    _wait_for_frames(live, card)
    live.click("#dub .job button.stop")
    live.wait_for_selector("#dub .job[data-state=stopped]")
    assert [one["name"] for one in state_of(live, str(first))["files"]] == ["source.mp4"]
    live.click("#dub .job button[data-act=goOn]")
    live.wait_for_selector("#dub .job[data-state=done] video")
    before = state_of(live, str(first))
    assert len(before["utterances"]) == TIMES
    assert {one["spoken"] for one in before["utterances"]} == {"실례합니다, 공항이 어디에 있어요?"}  # though said in a hurry
    assert before["work"]["speech"] == {"made": 0, "kept": TIMES}  # said before it was stopped
    original, dub = (live.locator(f".job[data-id='{first}'] video").nth(number) for number in (0, 1))
    dub.evaluate("one => { one.currentTime = one.duration - 1; }")
    dub.evaluate("one => new Promise((yes, no) => { one.onended = yes; one.onerror = no; one.muted = true; one.play(); })")
    assert abs(original.evaluate("one => one.currentTime") - dub.evaluate("one => one.currentTime")) < 0.35
    with live.context.expect_page() as opened:
        live.click(f".job[data-id='{first}'] a:has-text('report')")
    opened.value.wait_for_load_state()
    assert before["utterances"][0]["recognized"] in opened.value.inner_text("body")
    opened.value.close()

    rows = live.locator(f".job[data-id='{first}'] .rows .row")
    rows.nth(1).locator("textarea").fill(CORRECTION)
    rows.nth(1).locator("button.hear").click()
    sound = rows.nth(1).locator(".heard audio")
    sound.wait_for()
    assert 0.8 < sound.evaluate("one => new Promise(yes => { one.onended = () => yes(one.duration); one.play(); })") < 2.5
    assert [one["id"] for one in live.request.get(f"{live.url.partition('#')[0]}api/v1/jobs").json()["jobs"]] == [first]  # not kept
    live.click(f".job[data-id='{first}'] button[data-act=again]")
    live.wait_for_selector(f"#dub .job[data-state=done]:not([data-id='{first}']) video")
    second = str(live.locator("#dub .job").first.get_attribute("data-id"))
    after = state_of(live, second)
    assert [one["spoken"] == was["spoken"] for one, was in zip(after["utterances"], before["utterances"], strict=True)] == [
        True,
        False,
        True,
    ]
    assert after["utterances"][1]["spoken"] == CORRECTION
    assert after["work"]["speech"] == {"made": 1, "kept": TIMES - 1}
    _require_one_other(tmp_path, [first, second], before["utterances"])


def test_the_avatar_is_asked_by_one_button(live: Any) -> None:
    live.click("#tab-avatar")
    button = live.locator("#avatar .aloud button")
    assert live.locator("#avatar form button:visible").count() == 1
    button.press("Enter")
    live.wait_for_function("() => document.querySelector('#avatar .aloud button').textContent === 'I have asked'")
    live.wait_for_timeout(1000)
    button.press("Enter")
    live.wait_for_selector("#avatar .job[data-state=done] video")
    assert (
        live.inner_text("#avatar .answer") == "미안해요, 다시 물어봐 주세요."
    )  # nothing is understood: the browser's microphone beeps
    video = live.locator("#avatar .job video")
    video.evaluate("one => new Promise(yes => { one.onended = yes; one.play(); })")
    live.click("#avatar button[data-act=repeat]")
    live.wait_for_function("() => { const one = document.querySelector('#avatar .job video'); return !one.ended && !one.paused; }")


def _wait_for_frames(live: Any, card: Any) -> None:
    """Until some frames are drawn; the share of the work that is done only grows on the way."""
    shares = live.evaluate(
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
    assert len(set(shares)) > 3  # a quick machine has fewer news on the way
    assert 0.65 < shares[-1] < 1


def _require_one_other(folder: Path, jobs: list[str], utterances: list[dict[str, Any]]) -> None:
    """Of two dubs all but the second utterance sounds and looks alike."""
    one, other = (decode(folder / "jobs" / job / "result.mp4") for job in jobs)
    for number, said in enumerate(utterances):
        sound, frames = _apart(one, other, said["output_start_s"], said["output_end_s"])
        assert (sound < SAME_SOUND, frames < SAME_FRAMES) == (number != 1, number != 1), (number, sound, frames)


def _apart(one: Decoded, other: Decoded, start_s: float, stop_s: float) -> tuple[float, float]:
    """Mean distance of samples and of frames between two moments."""
    samples = slice(int(start_s * one.rate), int(stop_s * one.rate))
    shown = (one.times >= start_s) & (one.times < stop_s)
    frames = np.abs(one.frames[shown].astype(np.int16) - other.frames[shown].astype(np.int16))
    return float(np.abs(one.sound[samples] - other.sound[samples]).mean()), float(frames.mean())
