"""In a real browser: what a visitor has done is not lost by another language, or a page that is loaded again or closed."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.media import FrameSource, VideoWriter
from avcore.timeline import FRAME_RATE
from tests.netflips.serve.browser import NEEDS_BROWSER, dub, state_of
from tests.netflips.serve.conftest import CLIP

pytestmark = NEEDS_BROWSER
VIDEO = "#dub .file[data-file=video]"


def _asks(page: Any) -> Any:
    """A draft of the clip; returns its card."""
    page.set_input_files(f"{VIDEO} input", str(CLIP))
    page.click("#dub form button.main")
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    return page.locator("#dub .job").first


def _reload(page: Any) -> None:
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#dub .job .rows")


def _questions(page: Any) -> list[str]:
    """What the browser asks from now on; each is answered by staying."""
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    return asked


def test_corrections_are_kept_over_another_language_and_visit(page: Any) -> None:
    card = _asks(page)
    texts = card.locator(".rows textarea")
    card.locator(".unfold").nth(0).click()
    card.locator("[data-act=split]").nth(0).click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job[data-state=asks] .rows textarea').length === 3")
    texts.nth(0).fill("안녕하세요.")
    card.locator(".rows .file input").nth(2).set_input_files(str(CLIP))
    page.wait_for_function(
        "() => /[0-9a-f]{32}/.test(localStorage[Object.keys(localStorage).find(one => one.includes('typed'))])"
    )  # sent at once
    card.locator(".unfold").nth(2).click()
    card.locator(".who").nth(2).fill("Bea")
    for change in ("ko", "en", ""):
        if change:
            page.select_option("#labels", change)
            page.wait_for_function("to => document.documentElement.lang === to", arg=change)
        else:
            _reload(page)
        page.wait_for_function("() => document.querySelectorAll('#dub .job[data-state=asks] .rows textarea').length === 3")
        assert texts.nth(0).input_value() == "안녕하세요."
        assert card.locator(".who").nth(2).input_value() == "Bea"
        assert "clip.mp4" in str(card.locator(".rows .chosen").nth(2).text_content())
        assert card.locator(".row.changed").count() == 2
    card.locator("button[data-act=dubIt]").click()
    page.wait_for_selector("#dub .job[data-state=done] .rows")
    rows = state_of(page, str(card.get_attribute("data-id")))["values"]["rows"]
    assert [(one["spoken"], one["speaker"], len(one["speech"])) for one in rows] == [
        ("안녕하세요.", "", 0),
        ("", "", 0),
        ("", "Bea", 32),
    ]
    assert page.evaluate("Object.keys(localStorage).filter(one => one.includes('typed'))") == []  # it is dubbed now


def test_corrections_of_a_dub_stay_until_dubbed_and_go_with_it(page: Any) -> None:
    job = dub(page)
    card = page.locator(f".job[data-id='{job}']")
    card.locator("textarea").nth(1).fill("두 번째예요.")
    _reload(page)
    assert card.locator("textarea").nth(1).input_value() == "두 번째예요."
    card.locator("button[data-act=again]").click()
    page.wait_for_selector(f"#dub .job[data-state=done]:not([data-id='{job}']) .rows")
    _reload(page)
    assert card.locator("textarea").nth(1).input_value() == ""
    card.locator("button[data-act=hide]").click()
    card.locator("textarea").nth(1).fill("세 번째예요.")
    for _ in range(2):
        card.locator("button[data-act=remove]").click()
    card.wait_for(state="detached")
    assert page.evaluate("Object.keys(localStorage).filter(one => one.includes('typed'))") == []


def test_an_upload_goes_on_in_another_language_and_leaving_is_asked(page: Any) -> None:
    held: list[Any] = []
    page.route("**/uploads?*", lambda route: held.append(route))
    page.set_input_files(f"{VIDEO} input", str(CLIP))
    asked = _questions(page)
    page.select_option("#labels", "ko")
    assert "clip.mp4" in page.inner_text(f"{VIDEO} .chosen")  # what was chosen stays
    assert page.inner_text(f"{VIDEO} .choose") == "파일 고르기"
    page.click("#dub form button.main")
    page.wait_for_function("() => document.querySelector('#dub form button.abort')")
    page.wait_for_timeout(200)
    page.select_option("#labels", "en")
    page.evaluate("location.reload()")
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    held[0].continue_()
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    assert page.text_content("#dub form button.main") == "Translate"
    page.unroute_all(behavior="ignoreErrors")
    _reload(page)
    assert asked == ["beforeunload"]  # nothing is on its way


def test_who_leaves_with_a_recording_that_was_not_sent_is_asked(page: Any) -> None:
    asked = _questions(page)
    button = page.locator(f"{VIDEO} button.record")
    button.click()
    page.wait_for_function("() => document.querySelector('#dub button.record').textContent === 'Stop recording'")
    assert page.is_disabled("#labels")
    page.wait_for_timeout(1000)
    button.click()
    page.wait_for_selector(f"{VIDEO} video")
    page.evaluate("location.reload()")
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    page.set_input_files(f"{VIDEO} input", str(CLIP))  # in its place, a file that is elsewhere, too
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert asked == ["beforeunload"]


def test_the_focus_goes_to_the_example_s_result_and_its_sentences(page: Any) -> None:
    page.focus(f"{VIDEO} button.example")
    page.keyboard.press("Enter")
    where = set()
    while not page.locator("#dub .job[data-state=asks] .rows").count():
        where.add(page.evaluate("document.activeElement.className + document.activeElement.tagName"))
        page.wait_for_timeout(20)
    assert "BODY" not in where
    card = page.locator("#dub .job").first
    assert page.evaluate("document.activeElement.closest('.job')?.dataset.id") == card.get_attribute("data-id")
    for number in range(2):
        card.locator(".rows textarea").nth(number).fill(f"{number + 1} 번째예요.")
    card.locator("button[data-act=hearSome]").click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job .rows .heard audio').length === 2")
    assert card.locator(".row .texts > audio:visible").evaluate_all("all => all.map(one => one.src.split('#')[1])") == [
        "t=0.00,1.00",
        "t=1.25,1.96",
    ]


def test_a_video_without_sound_is_read_by_lips_in_a_given_voice(page: Any, tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    source = FrameSource(CLIP)
    with VideoWriter(silent, source.info.width, source.info.height, FRAME_RATE, preset="ultrafast") as writer:
        for frame in source:
            writer.write_rgb(np.asarray(frame.rgb))
    page.set_input_files(f"{VIDEO} input", str(silent))
    page.set_input_files("#dub .file[data-file=voice] input", str(CLIP))
    page.click("#dub form button.main")
    page.click("#dub .offers [data-act=readLips]")
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    assert page.is_enabled("#dub form button.main")


@pytest.mark.parametrize(("share", "left_s", "said"), [(1.0, 0.4, "99%"), (0.996, 3.0, "99%, about 3 s left"), (0.5, None, "50%")])
def test_a_hundred_percent_is_said_only_of_what_is_done(page: Any, share: float, left_s: float | None, said: str) -> None:
    news = {
        "id": "0" * 32, "kind": "dub", "title": "clip.mp4", "state": "running", "place": 0, "stage": "lips", "share": share,
        "took_s": 3.0, "left_s": left_s, "is_slow": False, "created_s": 0, "made_by": "", "is_draft": False, "goes_on": False,
        "quality": {}, "error": {},
    }  # fmt: skip
    shown = page.evaluate(
        """async (news) => {
        const { card } = await import("/jobs.js");
        const { root } = card(news, { about: {}, tell: () => {}, removed: new Set() });
        return [root.querySelector(".state").textContent, root.querySelector("progress").value];
        }""",
        news,
    )
    assert shown == [f"Drawing lips {said}", min(share, 0.99)]


def test_a_portrait_fits_the_window(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 700})
    page.click("#tab-lips")
    form = page.locator("form[data-kind=portrait]")
    form.locator("[data-file=image] input").set_input_files(str(CLIP.with_name("portrait.jpg")))
    form.locator("[data-file=speech] input").set_input_files(str(CLIP))
    form.locator("button.main").click()
    page.wait_for_selector("#lips .job[data-state=done] video")
    page.wait_for_function("() => document.querySelector('#lips .job video').readyState > 0")
    page.wait_for_timeout(300)
    places = "all => all.map(one => one.getBoundingClientRect()).map(one => [one.top, one.bottom])"
    card, video, download = page.locator("#lips .job, #lips .job video, #lips .job .outcome a").evaluate_all(places)
    assert 0 <= round(card[0]) < video[0] < video[1] < download[1] <= 700


def test_a_doubt_ends_when_the_sentences_not_understood_are_typed(page: Any) -> None:
    def doubted(route: Any) -> None:
        answer = route.fetch()
        job = answer.json()
        if job.get("utterances"):
            job["quality"]["words"] = "unsure"
            job["utterances"][1]["quality"]["words"] = "not_understood"
        route.fulfill(response=answer, json=job)

    page.route(re.compile("/api/v1/jobs/[0-9a-f]{32}$"), doubted)
    card = _asks(page)
    assert "unsure" in str(card.locator(".verdict").first.get_attribute("class"))
    for text, words in (("두 번째예요.", "given"), ("", "unsure")):
        card.locator(".rows textarea").nth(1).fill(text)
        assert words in str(card.locator(".verdict").first.get_attribute("class"))
        assert [card.locator(f"button[data-act={one}]").is_visible() for one in ("goOnAnyway", "dubIt")] == [False, True]
    page.unroute_all(behavior="ignoreErrors")


def test_two_windows_on_one_job_lose_nothing_that_was_typed(page: Any) -> None:
    card = _asks(page)
    card.locator(".unfold").nth(0).click()
    card.locator("[data-act=split]").nth(0).click()
    page.wait_for_function("() => document.querySelectorAll('#dub .job[data-state=asks] .rows textarea').length === 3")
    card.locator(".rows textarea").nth(0).fill("안녕하세요.")
    card.locator(".rows textarea").nth(2).fill("첫 창이에요.")
    job = str(card.get_attribute("data-id"))

    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(f".job[data-id='{job}'] .rows")
    theirs = other.locator(f".job[data-id='{job}']")
    for number, text in ((0, "안녕하세요."), (1, "둘째 창."), (2, "둘째 창이에요.")):
        theirs.locator(".rows textarea").nth(number).fill(text)
    theirs.locator("button[data-act=dubIt]").click()
    page.wait_for_selector(f".job[data-id='{job}'][data-state=done] .rows")

    texts = page.locator(f".job[data-id='{job}'] .rows textarea")
    assert [texts.nth(number).input_value() for number in range(3)] == ["안녕하세요.", "둘째 창.", "첫 창이에요."]
    told = page.locator(f".job[data-id='{job}'] .other:visible")
    assert [told.nth(number).inner_text() for number in range(told.count())] == [
        "Changed in another window, where it is: 둘째 창이에요."
    ]
    _reload(page)
    assert texts.nth(2).input_value() == "첫 창이에요."
    other.close()
