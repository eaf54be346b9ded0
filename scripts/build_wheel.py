"""Build the wheel for a package index: a copy of this checkout whose README has absolute links, and that names its addresses.

make wheel ADDRESS=https://example.org/you/netflips       # writes build/dist
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
from avcore.flags import Command, QuietOptions, flag
from netflips.version import __version__

REPOSITORY = Path(__file__).resolve().parent.parent
_PICTURES = (".webp", ".jpg", ".svg", ".gif", ".png")


@dataclass(frozen=True, kw_only=True)
class WheelOptions(QuietOptions):
    """Build the wheel for a package index, with absolute links in README."""

    address: str = flag()
    """of the repository on the web"""
    out_dir: Path = flag(default=REPOSITORY / "build" / "dist", metavar="DIR")
    """default: build/dist"""


def _work(options: WheelOptions) -> None:
    address = options.address.removesuffix(".git").rstrip("/")
    if not re.fullmatch(r"https://[^/\s]+/\S+", address):
        raise UsageError("the links need the repository's address", expected="https://...", found=options.address or "none")

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "netflips")
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        for name in filter(None, tracked.split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name, follow_symlinks=False)
        readme, project = copy / "README.md", copy / "pyproject.toml"
        readme.write_text(absolute_links(readme.read_text(encoding="utf-8"), address), encoding="utf-8")
        urls = {"Repository": "", "Issues": "/issues", "Changelog": f"/blob/v{__version__}/CHANGELOG.md"}
        lines = "".join(f'{name} = "{address}{end}"\n' for name, end in urls.items())
        project.write_text(project.read_text(encoding="utf-8") + f"\n[project.urls]\n{lines}", encoding="utf-8")
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(options.out_dir), str(copy)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    LOG.info("%s", options.out_dir)


def absolute_links(text: str, address: str) -> str:
    """Return markdown whose links to files of the repository lead to its tagged version at `address`."""

    def absolute(link: re.Match[str]) -> str:
        place = link[1]
        if place.startswith(("#", "https:")):
            return link[0]
        return f"]({address}/{'raw' if place.endswith(_PICTURES) else 'blob'}/v{__version__}/{place})"

    return re.sub(r"\]\(([^)\s]+)\)", absolute, text)


_COMMAND = Command(WheelOptions, "build_wheel", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
