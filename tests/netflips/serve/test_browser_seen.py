"""In a real browser, what is shown can be read and found: contrast of words and controls, names, a focus that is seen."""

from typing import Any

import pytest

from tests.netflips.serve.browser import NEEDS_BROWSER
from tests.netflips.serve.conftest import CLIP

pytestmark = NEEDS_BROWSER
TABS = ("lips", "speak", "transcribe", "avatar", "dub")
NAMED = {
    "button",
    "link",
    "textbox",
    "combobox",
    "checkbox",
    "slider",
    "spinbutton",
    "tab",
    "Video",
    "Audio",
    "progressbar",
    "meter",
}
FAINT = """() => {
  // WCAG 2.2, 1.4.3 and 1.4.11: 4.5 for words, 3 for large ones and for the edges of controls; what is disabled is exempt.
  const colour = (text) => { const [r, g, b, a = 1] = (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], under) => [r, g, b].map((one, place) => one * a + under[place] * (1 - a));
  const light = (rgb) => rgb.map((one) => (one / 255 <= 0.04045 ? one / 3294.6 : ((one / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const under = (one) => (one ? over(colour(getComputedStyle(one).backgroundColor), under(one.parentElement)) : [255, 255, 255]);
  const isClipped = (one) => getComputedStyle(one).clipPath !== "none";
  const isHidden = (one) => !one.checkVisibility() || one.closest(".unseen, :disabled, option") || isClipped(one);
  const faint = [];
  const require = (least, found, of, words) => found < least && faint.push(`${of.tagName} ${words}: ${found.toFixed(2)}`);
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const one = words.currentNode.parentElement;
    const text = words.currentNode.textContent.trim();
    if (!text || isHidden(one)) continue;
    const style = getComputedStyle(one);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    require(isLarge ? 3 : 4.5, contrast(over(colour(style.color), under(one)), under(one)), one, text);
  }
  const controls =
    "select, textarea, input:is([type=text], [type=number], [type=date]), button:not(nav *, .lesser), .choose, .file";
  for (const one of document.querySelectorAll(controls)) {
    if (isHidden(one)) continue;
    const [style, around, inside] = [getComputedStyle(one), under(one.parentElement), under(one)];
    require(3, Math.max(contrast(over(colour(style.borderTopColor), around), around), contrast(inside, around)), one, "edge");
    const grey = over(colour(getComputedStyle(one, "::placeholder").color), inside);
    if (one.placeholder && !one.value) require(4.5, contrast(grey, inside), one, one.placeholder);
  }
  return faint;
}"""
FOCUSED = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  const one = focused.matches(".unseen") ? focused.nextElementSibling : focused;
  if (one.matches("video, audio")) return "";  // these show it on their own buttons
  const [style, box] = [getComputedStyle(one), one.getBoundingClientRect()];
  const grown = Math.max(0, parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset));
  let cut = style.outlineStyle === "none" ? "no outline" : "";
  for (let over = one.parentElement; over !== document.body; over = over.parentElement) {
    const around = over.getBoundingClientRect();
    const out = [around.left - box.left, box.right - around.right, around.top - box.top, box.bottom - around.bottom];
    const isCut = out.some((one) => one + grown > 0);
    if (getComputedStyle(over).overflowX !== "visible" && isCut) cut += ` cut by ${over.tagName}.${over.className}`;
  }
  return cut && `${one.tagName} ${one.innerText || one.ariaLabel}: ${cut}`;
}"""


def _unnamed(page: Any) -> list[str]:
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    roles = [(one.get("role", {}).get("value"), one.get("name", {}).get("value", "")) for one in nodes if not one.get("ignored")]
    return [role for role, name in roles if role in NAMED and not name.strip()]


def _require_seen(page: Any, state: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(FAINT) == [], (state, scheme)
    assert _unnamed(page) == [], state


@pytest.mark.parametrize("width", [1440, 390])
def test_all_can_be_read_named_and_seen_where_the_focus_is(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for tab in TABS:
        page.click(f"#tab-{tab}")
        page.evaluate("tab => { for (const one of document.querySelectorAll(`#${tab} form details`)) one.open = true; }", tab)
        _require_seen(page, tab)
    page.set_input_files("#dub .file[data-file=video] input", str(CLIP))
    page.set_input_files("#dub .file[data-file=voice] input", str(CLIP))
    page.wait_for_selector("#dub .file[data-file=voice] video")
    assert page.locator("#dub .file[data-file=voice] video").bounding_box()["width"] > 100
    _require_seen(page, "chosen")
    page.click("#dub form button.main")
    page.wait_for_selector("#dub .job[data-state=asks] .rows")
    page.evaluate("() => { for (const one of document.querySelectorAll('#dub details')) one.open = one.matches('.job *'); }")
    _require_seen(page, "asks")
    page.locator("#dub .rows textarea").nth(0).fill("첫 번째예요.")
    _require_seen(page, "changed")
    page.evaluate("() => { scrollTo(0, 0); document.getElementById('labels').focus(); }")
    wrong = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found is None:
            break
        wrong += [found] if found else []
    assert wrong == []
