"""The editor in a real browser: steps back and forth, find and replace, the time line, and the original by holding a key."""

from typing import Any

from tests.netflips.serve.browser import NEEDS_BROWSER, dub
from tests.netflips.serve.conftest import CLIP

pytestmark = NEEDS_BROWSER
BLOCKS = """() => [...document.querySelector('.timeline > div > div').shadowRoot.querySelectorAll('[part~=region]')]
    .map((one) => { const { left, right, top } = one.getBoundingClientRect(); return [left, right, top + 40]; })
    .sort((one, other) => one[0] - other[0])"""


def _asks(page: Any) -> Any:
    page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
    page.click("#dub form button.main")
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    return page.locator("#dub .job").first


def _texts(card: Any) -> list[str]:
    return [one.input_value() for one in card.locator(".row textarea").all()]


def test_all_that_is_typed_goes_back_and_forth(page: Any) -> None:
    card = _asks(page)
    undo, redo = card.locator("[data-act=undo]"), card.locator("[data-act=redo]")
    assert (undo.is_disabled(), redo.is_disabled()) == (True, True)
    texts = card.locator(".row textarea")
    texts.nth(0).press_sequentially("하나 둘")  # one burst is one step
    texts.nth(1).fill("둘")
    card.locator(".finder summary").click()
    card.get_by_label("Find", exact=True).fill("둘")
    card.get_by_label("Replace with").fill("셋")
    assert card.locator(".finder [role=status]").inner_text() == "2 found"
    card.locator("[data-act=replaceAll]").click()
    assert _texts(card) == ["하나 셋", "셋"]
    card.locator(".terms summary").click()
    page.get_by_label("NASA").fill("항공우주국")
    texts.nth(0).press("Control+z")
    assert page.get_by_label("NASA").input_value() == "나사"
    for left in (["하나 둘", "둘"], ["하나 둘", ""], ["", ""]):
        undo.click()
        assert _texts(card) == left
    assert undo.is_disabled()
    texts.nth(0).press("Control+Shift+z")
    redo.click()
    assert _texts(card) == ["하나 둘", "둘"]
    page.reload()
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    assert _texts(page.locator("#dub .job").first) == ["하나 둘", "둘"]


def test_a_row_goes_back_to_the_machine_s_text(page: Any) -> None:
    def with_text(route: Any) -> None:
        answer = route.fetch()
        job = answer.json()
        for one in job.get("utterances", []):
            one |= {"spoken": "기계", "machine": "기계"}
        route.fulfill(response=answer, json=job)

    page.route("**/api/v1/jobs/*", with_text)
    card = _asks(page)
    back = card.locator("[data-act=machineText]").nth(0)
    assert back.is_hidden()
    card.locator(".row textarea").nth(0).fill("사람")
    back.click()
    assert _texts(card) == ["기계", "기계"]
    assert card.locator(".row.changed").count() == 0
    page.unroute_all(behavior="ignoreErrors")


def test_the_edge_of_a_block_is_the_time_of_its_row(page: Any) -> None:
    card = _asks(page)
    card.locator(".timeline").wait_for()
    page.wait_for_function(f"() => ({BLOCKS})().length === 2")
    page.evaluate("() => document.querySelector('.timeline').scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(200)
    (left, right, y), (after, *_) = page.evaluate(BLOCKS)
    page.mouse.move(right - 2, y)
    page.mouse.down()
    page.mouse.move(right - (right - left) / 4, y, steps=5)
    page.mouse.up()
    to = card.locator("input[name=to]")
    assert 0.6 < float(to.nth(0).input_value()) < 0.9
    card.locator("[data-act=undo]").click()
    assert to.nth(0).input_value() == "1.00"
    page.wait_for_function(f"at => ({BLOCKS})()[0][1] === at", arg=right)  # drawn a moment later
    (_, right, y), *_ = page.evaluate(BLOCKS)
    page.mouse.move(right - 2, y)
    page.mouse.down()
    page.mouse.move(after + 40, y, steps=5)  # into the next sentence
    page.mouse.up()
    assert to.nth(0).input_value() == "1.25"


def test_the_original_is_heard_as_long_as_a_key_is_held(page: Any) -> None:
    job = dub(page)
    muted = f"() => [...document.querySelectorAll(\".job[data-id='{job}'] .pair video\")].map((one) => one.muted)"
    page.focus(f".job[data-id='{job}'] h3")
    assert page.evaluate(muted) == [True, False]
    page.keyboard.down("o")
    assert page.evaluate(muted) == [False, True]
    page.keyboard.up("o")
    assert page.evaluate(muted) == [True, False]
    page.locator(f".job[data-id='{job}'] textarea").nth(0).press("o")  # is written
    assert page.locator(f".job[data-id='{job}'] textarea").nth(0).input_value() == "o"

    page.set_viewport_size({"width": 390, "height": 844})  # one video over the other
    original, result = page.locator(f".job[data-id='{job}'] .pair video").all()
    assert original.bounding_box() == result.bounding_box()
    held = page.locator(f".job[data-id='{job}'] .hold")
    held.focus()
    for key, seen in (("down", [True, False]), ("up", [False, True])):
        getattr(page.keyboard, key)("Space")
        assert [one.is_visible() for one in (original, result)] == seen


def test_the_form_folds_once_there_is_a_dub(page: Any) -> None:
    button = page.locator("#dub form button.main")
    assert page.is_hidden("#begun > summary")
    card = _asks(page)
    assert button.is_hidden()
    page.click("#begun > summary")
    assert button.is_visible()
    for _ in range(2):
        card.locator("button[data-act=remove]").click()
    card.wait_for(state="detached")
    assert button.is_visible()
    assert page.is_hidden("#begun > summary")
