"""Korean from the catalogue: each text of the code has its entry, each entry its text; lines of errors are made of them."""

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from polib import pofile

from avcore.errors import InputError, Message, NetflipsError
from avcore.notes import KINDS
from avcore.words import CATALOGUE, KOREAN, error_line, user_language
from netflips import quality_estimation

ROOT = Path(__file__).parents[2]
PACKAGES = ("avcore", "av2unit", "unit2unit", "unit2av", "unit2text", "text2unit", "netflips")
_ERROR = "error"


@cache
def _trees() -> list[ast.AST]:
    return [ast.parse(path.read_text(encoding="utf-8")) for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]


def _template(node: ast.AST) -> str | None:
    """A text of the code, with a name for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{x}" for one in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _said() -> set[str]:
    """Templates that kinds of notes put together themselves: what stands in calls of `say`."""
    calls = [
        node
        for tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say" and node.args
    ]
    chosen = [
        one
        for call in calls
        for one in ([call.args[0].body, call.args[0].orelse] if isinstance(call.args[0], ast.IfExp) else call.args[:1])
    ]
    return {one.value for one in chosen if isinstance(one, ast.Constant)}


def _kinds() -> set[str]:
    """Words and hints of all kinds of notes of the packages."""
    for path in (path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        if "NoteKind(" in path.read_text(encoding="utf-8"):
            __import__(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    kinds = [one for one in KINDS.values() if not one.code.startswith("test_")]
    assert len(kinds) > 50
    return {words for one in kinds for words in (one.words, one.hint) if isinstance(words, str) and words}


def test_every_word_has_an_entry_and_every_entry_a_word() -> None:
    entries = pofile(str(CATALOGUE))
    plain, clauses = ({one.msgid for one in entries if one.msgctxt == context} for context in (None, _ERROR))
    texts = {text for tree in _trees() for node in ast.walk(tree) if (text := _template(node))}
    wanted = _kinds() | _said() | set(quality_estimation._TEXTS.values())
    assert wanted - plain - {"{reason:@}"} == set()
    shapes = {re.sub(r"\{[^{}]*\}", "{x}", text) for text in texts}
    assert not [one for one in plain - wanted if one not in texts and re.sub(r"\{[^{}]*\}", "{x}", one) not in shapes]
    templates = {
        node.args[0].value
        for tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Message" and isinstance(node.args[0], ast.Constant)
    }
    assert templates == {one for one in clauses if "{" in one}
    heads = {part for text in shapes for part in (text, text.partition(";")[0], text.partition(";")[0].rpartition(": ")[2])}
    assert not [one for one in clauses if re.sub(r"\{[^{}]*\}", "{x}", one) not in heads]


MET = (
    *(
        "dubbing",
        "serve",
        "recognizers",
        "cascade",
        "subtitles",
        "script",
        "published",
        "provenance",
        "portraits",
        "report",
        "models",
    ),
    *(
        f"commands/{name}"
        for name in ("dub", "dub_options", "dub_videos", "given_audio", "portrait", "recognition", "say", "transcribe")
    ),
)
"""Parts of `netflips` whose errors the page, the notes or a report shows."""


def test_errors_that_the_page_shows_have_korean() -> None:
    paths = [
        one for name in MET for one in [*(ROOT / "netflips" / name).rglob("*.py"), ROOT / "netflips" / f"{name}.py"] if one.exists()
    ]
    paths += (ROOT / "avcore" / "media").rglob("*.py")
    calls = [
        node
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith(("Error", "Message"))
    ]
    parts = [part for call in calls for part in [*call.args[:1], *(one.value for one in call.keywords if one.arg == "hint")]]
    texts = {one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    assert len(texts) > 200
    known = {one.msgid for one in pofile(str(CATALOGUE)) if one.msgctxt == _ERROR}
    assert texts - known - {"{what}", "there is no sound of the speaker for {reference}"} == set()


def test_translations_name_what_their_originals_name() -> None:
    for one in pofile(str(CATALOGUE)):
        there, here = ({name for _, name, _, _ in Formatter().parse(text) if name} for text in (one.msgid, one.msgstr))
        assert here <= there | {"who", "u"}, one.msgid
        assert re.search("[가-힣]", one.msgstr) or "{" in one.msgstr or "--" in one.msgstr, one.msgid


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("it has no sound track", path="a.mp4", expected="sound"), "a.mp4: 소리가 없는 파일입니다; 필요한 것: sound"),
        (InputError(Message("give {flag}", flag="--av2unit-path")), "--av2unit-path이(가) 필요합니다"),
        (
            InputError("nothing is spoken in the subtitles", hint="cues without a text give their times alone"),
            "자막에 말이 없습니다; 글이 없는 자막은 시간만 정합니다",
        ),
        (
            InputError(Message("{what} does not go with one_file", what="--timing free"), hint="leave one of them out"),
            "--timing free은(는) one_file과 함께 쓸 수 없습니다; 둘 중 하나는 빼세요",
        ),
        (NetflipsError("of a kind that nobody knows", found=3), "of a kind that nobody knows; found 3"),
    ],
)
def test_errors_have_a_line_in_korean(error: NetflipsError, line: str) -> None:
    assert (error_line(error, KOREAN), error_line(error, "en")) == (line, str(error))


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"NETFLIPS_LANGUAGE": "ko", "LANG": "en_US.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LC_ALL": "C", "LANG": "ko_KR.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_asked_for_or_the_locale_s(variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NETFLIPS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert user_language() == language


def test_a_hint_is_korean_as_a_whole_or_stays_english() -> None:
    """A line that is half Korean helps nobody: it is English as a whole where a part of it has no Korean."""
    no_voice = InputError("no speech was found in it", hint="give another voice with --voice x.wav")
    assert error_line(no_voice, KOREAN) == "말소리를 찾지 못했습니다; --voice x.wav로 다른 목소리를 지정하세요"
    assert error_line(InputError(Message("give {flag}", flag="--to")), KOREAN) == "--to이(가) 필요합니다"
    assert error_line(InputError("no speech was found in it", hint="in words that nobody knows"), KOREAN).startswith("no speech")
