"""`netflips script`: utterances are listed, divided and joined in a file, which a dub can take."""

from pathlib import Path

import pytest

from netflips import cli
from netflips.script.files import read_script, write_script
from netflips.script.types import Script, SpeakerOf, SpokenSound, Text, TimeSpan, Utterance, VoiceFile, WrittenText


@pytest.fixture
def path(tmp_path: Path) -> Path:
    first = Utterance(1, TimeSpan(2.0, 4.0), "Ann", text=Text("Take care. See you.", "en"), target=WrittenText("잘 가. 또 보자."))
    write_script(tmp_path / "talk.json", Script(utterances=(first, Utterance(2, TimeSpan(5.0, 6.0), text=Text("Bye.", "en")))))
    return tmp_path / "talk.json"


def test_an_utterance_is_divided_and_joined_again(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, parts, again = (path.with_name(name) for name in ("talk.json", "parts.json", "again.json"))
    assert cli.main(["script", "split", str(whole), "1", "--at", "3", "-o", str(parts)]) == 0
    assert f"{parts}: 3 utterances" in capsys.readouterr().err
    assert cli.main(["script", "list", str(parts)]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [" ".join(line.split(maxsplit=4)[:4]) for line in lines]
    assert told == ["1 2.00 to 3.00", "2 3.00 to 4.00", "3 5.00 to 6.00"]
    assert lines[1].endswith("Ann: See you. -> 또 보자.")
    assert cli.main(["script", "join", str(parts), "1", "-o", str(again)]) == 0
    assert read_script(again) == read_script(whole)


def test_the_files_of_a_script_must_be_there_from_where_it_goes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.with_name("ann.wav").write_bytes(b"a voice")
    said = Utterance(1, TimeSpan(0, 2), "Ann", target=SpokenSound("ann.wav"))
    write_script(path, Script(speakers=(SpeakerOf("Ann", VoiceFile("ann.wav")),), utterances=(said,)))
    (path.parent / "other").mkdir()
    assert cli.main(["script", "split", str(path), "1", "-o", str(path.with_name("new.json"))]) == 0
    assert cli.main(["script", "split", str(path), "1", "-o", str(path.parent / "other" / "new.json")]) == 2
    assert "names a file that is not there" in capsys.readouterr().err
    assert list((path.parent / "other").iterdir()) == []
