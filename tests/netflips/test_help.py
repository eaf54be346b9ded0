"""Help: each command once in the list, its examples understood by its own parser, and few options where there are many."""

import sys

import pytest

from netflips import cli
from netflips.cli import EXAMPLES, GROUPS, USUAL, words_of


def test_each_command_stands_once_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(cli.COMMANDS) == sorted(EXAMPLES)
    for words in ([], ["help"], ["--help"]):
        assert cli.main(words) == 0
        shown = capsys.readouterr().out
        assert all(f"\n{title}\n" in shown for title in GROUPS)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, found in EXAMPLES.items() for _, line in found])
def test_an_example_is_understood(name: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line.split()[:2] == ["netflips", name]
    words = words_of(line)
    if words[-1:] == ["--help"]:  # of a part that has its own
        assert words[0] in cli.parser_of(name).format_help()
        return
    monkeypatch.setattr(sys, "argv", ["netflips"])
    try:
        cli.parser_of(name).parse_args(words)
    except SystemExit as ended:
        pytest.fail(f"{line}: exit code {ended.code}")


def test_help_of_a_command_with_many_options_has_the_usual_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "dub"]) == 0
    short = capsys.readouterr().out
    flags = [line.split()[0].rstrip(",") for line in short.splitlines() if line.startswith("  -")]
    assert len(flags) == len(USUAL["dub"]) == 12
    assert short.count("\n  netflips dub") == 4
    assert "--keep-sound" not in short
    assert cli.main(["help", "dub", "--all"]) == 0
    assert "--keep-sound" in capsys.readouterr().out
