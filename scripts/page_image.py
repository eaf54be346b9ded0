"""Make the picture of the page for README and docs/page.md: the demo clip, dubbed in the real page by the bundle.

Needs Chromium on the path.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import atomic_output
from avcore.flags import Command, QuietOptions, flag

REPOSITORY = Path(__file__).resolve().parent.parent
_CLIP = REPOSITORY / "docs" / "clip" / "clip.mp4"
_WAIT_MS = 300_000


@dataclass(frozen=True, kw_only=True)
class PageOptions(QuietOptions):
    """Make the picture of the page."""

    out_path: Path = flag(default=REPOSITORY / "docs" / "images" / "page_dub.jpg")
    """x.jpg"""
    width: int = flag(default=1280)
    """of the window, in pixels"""
    height: int = flag(default=860)
    """of the window, in pixels"""


def _work(options: PageOptions) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise UsageError("the picture is taken by a browser", expected="chromium on the path")

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "netflips", "serve", "--port", "0", "--work-dir", folder]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY) as server, sync_playwright() as play:
            try:
                assert server.stderr is not None
                address = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))
                browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": options.width, "height": options.height})
                page.set_default_timeout(_WAIT_MS)
                page.goto(address)
                page.set_input_files("#dub .file[data-file=video] input", str(_CLIP))
                page.click("#dub form button.main")
                job = page.wait_for_selector("#dub .job[data-state=asks]").get_attribute("data-id")
                page.click(f".job[data-id='{job}'] button[data-act=dubIt]")
                page.wait_for_selector(f".job[data-id='{job}'][data-state=done] video")
                page.wait_for_load_state("networkidle")
                page.evaluate("for (const one of document.querySelectorAll('video')) one.currentTime = 1.7")
                page.wait_for_timeout(2000)
                with atomic_output(options.out_path) as work:
                    page.screenshot(path=work, type="jpeg", quality=85)
                browser.close()
            finally:
                server.terminate()
    LOG.info("%s", options.out_path)


_COMMAND = Command(PageOptions, "page_image", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
