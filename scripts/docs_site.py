"""Add files from outside of docs to the site (mkdocs.yml): README, CHANGELOG, notes, and every command's help."""

import re
from contextlib import redirect_stdout, suppress
from io import StringIO
from os.path import relpath
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from netflips.cli import COMMANDS, main, parser_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "recipes/demo/EXAM.md": "demo-exam.md",
    "recipes/demo/NOTES.md": "demo-recipe-notes.md",
    "avcore/checkpoints/README.md": "checkpoint-keys.md",
    "benchmarks/DAMAGE.md": "damage.md",
    "benchmarks/NOTES.md": "benchmarks-notes.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of the folder docs."""
    for place, name in ELSEWHERE.items():
        text = (ROOT / place).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_linked(text, ROOT / place)))
    files.append(File.generated(config, "commands.md", content=_commands()))
    return files


def on_page_markdown(markdown: str, page: object, config: MkDocsConfig, files: Files) -> str:
    """Change links to files outside of docs into links to pages of the site."""
    file = page.file  # type: ignore[attr-defined]
    return markdown if file.generated_by else _linked(markdown, ROOT / "docs" / file.src_uri)


def _linked(text: str, page: Path) -> str:
    """Return a page with links to pages of the site. A link to a file that the site does not have becomes plain text."""
    start = page.parent if page.is_relative_to(DOCS) else DOCS

    def replace(found: re.Match[str]) -> str:
        words, path, anchor = found[1], found[2], found[3] or ""
        if not path:
            return found[0]
        place = (page.parent / path).resolve()
        name = place.relative_to(ROOT).as_posix() if place.is_relative_to(ROOT) else ""
        target = ELSEWHERE.get(name, name.removeprefix("docs/") if name.startswith("docs/") else "")
        return f"[{words}]({relpath(DOCS / target, start)}{anchor})" if target else words

    return _LINK.sub(replace, text)


def _commands() -> str:
    """Return a page with the help of every command and of its actions."""
    parts = ["# Commands", "", "`netflips COMMAND --help` prints the same.", ""]
    for name, (_, purpose) in COMMANDS.items():
        parts += [f"## netflips {name}", "", f"{purpose[0].upper()}{purpose[1:]}.", "", *_help(name)]
        actions = next((one.choices for one in parser_of(name)._actions if one.choices and not one.option_strings), ())
        for action in () if name == "completion" else actions:
            parts += [f"### netflips {name} {action}", "", *_help(name, action)]
    return "\n".join(parts)


def _help(*words: str) -> list[str]:
    """Return what `netflips WORDS --help` prints, as a block."""
    with redirect_stdout(StringIO()) as shown, suppress(SystemExit):
        main([*words, "--help"])
    return ["```text", shown.getvalue().rstrip(), "```", ""]
