"""No command writes over what it reads: refused before any work, in one line, with every file as it was."""

import argparse
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from avcore.command import Parser
from avcore.errors import InputError, OutputError
from avcore.files import Input, Output, check_files
from avcore.flags import Command
from avcore.timeline import Interval
from netflips import cli
from netflips.commands import dub as dub_command
from netflips.commands import options as commands
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import bundle_paths
from netflips.script.files import write_script
from netflips.script.types import Script, SpeakerOf, VoiceFile
from netflips.script.utterance import Utterance
from unit2unit.utut_finetune import add_language, average

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, which a command runs in. The bundle's models stand in for published ones."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "a_ko.mp4", "v.mp4", "lips.mp4", "music.mp4"):
        shutil.copy(ROOT / "docs/clip/clip.mp4", name)
    Path("s.json").write_text('{"utterances": []}')
    Path("music.yaml").write_text("background_audio: music.mp4\n")
    voice = SpeakerOf("Ann", VoiceFile("v.mp4"))
    said = Utterance(place=Interval(0, 1), speaker="Ann")
    write_script(Path("voices.json"), Script(speakers=(voice,), utterances=(said,)))
    Path("u.txt").write_text("1 2 3\n")
    Path("box.pkl").write_bytes(b"boxes")
    Path("m.jsonl").write_text('{"id": "a", "video": "a.mp4", "duration_s": 2}\n')
    Path("units.jsonl").write_text('{"id": "a", "units": [1, 2]}\n')
    models = bundle_paths()
    for name, path in (("e", models.av2unit), ("t", models.utut), ("r", models.unit2av)):
        for suffix in (".safetensors", ".json"):
            shutil.copy(path.with_suffix(suffix), name + suffix)
    return tmp_path


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must be refused; returns its complaint."""

    def run(main: Callable[[list[str]], int], *words: str) -> str:
        before = {path: (path.read_bytes() if path.is_file() else None) for path in folder.rglob("*")}
        assert main(list(words)) == 2
        after = {path: (path.read_bytes() if path.is_file() else None) for path in folder.rglob("*")}
        assert after == before
        (line,) = (line for line in capsys.readouterr().err.splitlines() if ": error: " in line)
        return line

    return run


MODELS = ("--av2unit-path", "e.safetensors", "--utut-path", "t.safetensors", "--unit2av-path", "r.safetensors")
LANGUAGES = ("--from", "en", "--to", "ko")


def _parsers() -> Iterator[tuple[str, Parser]]:
    """The parsers of all commands, by the module and the name of each."""
    rooms = ("avcore", "av2unit", "unit2unit", "unit2av", "unit2text", "text2unit", "netflips", "recipes")
    for path in (path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))):
        for name in re.findall(r"^(?:def )?(build\w*parser)[(, ]", path.read_text(encoding="utf-8"), re.MULTILINE):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for parser in _with_subparsers(getattr(import_module(module), name)()):
                yield module, parser
    for name, one in vars(commands).items():
        if isinstance(one, Command):
            yield f"netflips.commands.{name}", one.parser()


def _with_subparsers(parser: Parser) -> Iterator[Parser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _with_subparsers(one)


FOLDERS = {
    *("root", "out_dir", "output_folder", "run_dir", "work_dir", "bundle_dir", "bundle", "cache", "data", "folder", "pairs"),
    *("data_root", "english_root", "sound_root", "docs", "stems", "packages", "faces", "publish"),
}
"""Options that name no file. What is written into a folder is compared by whoever knows the names (`test_names_that_are_made`)."""
OF_THEIR_OWN = (
    "netflips.evaluate.command",
    "netflips.serve.",
    "netflips.commands.info",
    "unit2unit.training.prepare_",
    "unit2unit.utut_pretrain.prepare",
    "avcore.data.prepare.",
    "netflips.commands.models",
    "netflips.commands.demo",
)
"""Commands that compare folders, that read alone, or whose outputs have names that nobody chooses."""


def test_every_option_that_names_a_file_says_which(folder: Path) -> None:
    """What is declared is compared and looked for before any work: each output with each input, of every command."""
    checked = 0
    for module, parser in _parsers():
        files = {one.dest: one.type for one in parser._actions if isinstance(one.type, Input | Output)}
        plain = {one.dest for one in parser._actions if one.type is Path} - FOLDERS - {"videos", "in_path"}
        assert not plain or module.startswith(OF_THEIR_OWN), (parser.prog, plain)
        inputs = {name: file for name, file in files.items() if isinstance(file, Input)}
        for name, read in inputs.items():
            given = argparse.Namespace(**{name: Path("u.txt")} | dict.fromkeys(files.keys() - {name}))
            for other in files.keys() - inputs.keys():
                setattr(given, other, Path("./u.txt"))
                with pytest.raises(OutputError, match=f"would overwrite {re.escape(read.what)}"):
                    check_files(parser.declared(given))
                setattr(given, other, None)
                checked += 1
            if not read.may_be_folder:
                setattr(given, name, Path("no.txt"))
                with pytest.raises(InputError, match=re.escape(read.what)):
                    check_files(parser.declared(given))
    assert checked > 150


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--in-vid-path . --out-dir .", "a_ko.mp4: the dubbed video would overwrite an input video"),
        (".", "a_ko.mp4: the dubbed video would overwrite an input video"),
        ("a.mp4 --out-vid-path o.mp4 --report t.json", "t.json: the report would overwrite the translator"),
        ("a.mp4 --out-vid-path v.mp4 --script-in voices.json", "overwrite a file of the script"),
        ("a.mp4 --out-vid-path o.mp4 --report x.json --report ./x.json", "are one file"),
        ("a.mp4 v.mp4 --out-dir out --report a.mp4", "report would overwrite an input video"),
        ("a.mp4 --out-vid-path a.mp4", "overwrite an input video"),
        ("a.mp4 -o music.mp4 --config music.yaml", "overwrite the background audio"),
    ],
)
def test_dub(refused: Run, words: str, said: str) -> None:
    assert said in refused(dub_command.main, *words.split(), *MODELS, *LANGUAGES, "--cpu")


def test_a_name_that_nobody_gave_replaces_only_what_netflips_made(refused: Run, folder: Path) -> None:
    assert "it is there already" in refused(dub_command.main, "a.mp4", *MODELS, *LANGUAGES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("units a.mp4 --out a.mp4", "overwrite the video"),
        ("units a.mp4 -o netflips/x.txt --av2unit-path no.pt", "the unit encoder is not there"),
        ("units a.mp4 -o {bundle}", "overwrite a file of the bundle"),
        ("translate units/en/a.txt --out-dir units/en", "an output would overwrite an input"),
        ("transcribe a.mp4 v.mp4 --out t.json --format json", "--out is for one file"),
        ("transcribe t.mp4 --out-dir . --format json --unit2text-path t.safetensors", "overwrite the unit-to-text model"),
        ("lip2speech a.mp4 --out x.npz --save-mel x.npz", "are one file"),
        ("convert t.safetensors -o t.safetensors", "overwrite the checkpoint"),
        (
            "bundle pack --unit-encoder e.safetensors --translator t.safetensors --renderer r.safetensors --references units.jsonl "
            "--about bundle.json --bundle-dir .",
            "would overwrite a file that it is made of",
        ),
        ("bundle note metrics bundle.json --bundle-dir .", "overwrite the section"),
        ("evaluate dubs records.jsonl --out-dir . --cpu", "an input lies where the results go"),
        ("evaluate speech records.jsonl --out-dir . --cpu", "an input lies where the results go"),
        ("evaluate dub v.mp4 --source a.mp4 --report metrics.json --out-dir . --cpu", "an input lies where the results go"),
        ("extract failed.jsonl --out-dir . --cpu", "an input lies where the results go"),
        ("extract lips --out-dir . --with-lips --cpu", "an input lies where the results go"),
        ("manifest split m.jsonl --by split", "overwrite the manifest"),
    ],
)
def test_names_that_are_made(refused: Run, folder: Path, words: str, said: str) -> None:
    if "--by split" in words:
        Path("m.jsonl").write_text('{"id": "a", "video": "a.mp4", "split": "m"}\n')
    (folder / "lips").mkdir()
    shutil.copy("a.mp4", "lips/b.mp4")
    (folder / "units/en").mkdir(parents=True)
    (folder / "units/en/a.txt").write_text("1 2\n")
    for name in ("bundle.json", "metrics.json", "p.png"):
        Path(name).write_text("{}")
    Path("records.jsonl").write_text('{"id": "a", "source": "a.mp4", "dub": "v.mp4"}\n')
    shutil.copy("m.jsonl", "failed.jsonl")
    shutil.copy("a.mp4", "t.mp4")
    assert said in refused(cli.main, *words.format(bundle=bundle_paths().unit2av).split())


def test_preparing_and_averaging_translators(refused: Run) -> None:
    shutil.copy("t.safetensors", "t.pt")
    assert "overwrite the checkpoint" in refused(add_language.main, "t.pt", "t.pt")
    assert "overwrite a checkpoint" in refused(average.main, "t.pt", "t.safetensors", "--out", "t.pt")


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("av2unit.train", "data.train=run/metrics.jsonl data.train_labels=[units.jsonl] run_dir=run", "an input lies where"),
        ("av2unit.train", "data.train=m.jsonl data.train_labels=[link/x.jsonl] run_dir=run", "an input lies where"),
        ("unit2av.train_unit2a", "data.train=m.jsonl data.units=run run_dir=./run", "the run would be one of its inputs"),
        ("unit2av.train_unit2v", "data.train=m.jsonl data.units=units.jsonl losses.sync_checkpoint=run/checkpoints/best.pt "
         "run_dir=run", "run/checkpoints/best.pt: an input lies where"),
        ("unit2av.train_sync", "data.train=m.jsonl data.units=run/checkpoints run_dir=run", "an input lies where"),
        ("unit2av.train_lipsync", "expert data.train=run run_dir=./run", "the run would be one of its inputs"),
        ("unit2unit.utut_finetune.finetune", "data_dir=run run_dir=run", "the run would be one of its inputs"),
        ("unit2unit.utut_finetune.finetune", "data_dir=. init=run/checkpoints/best.pt run_dir=run", "an input lies where"),
        ("unit2unit.utut_pretrain.pretrain", "data_dir=run/checkpoints run_dir=run", "an input lies where"),
        ("av2unit.kmeans", "fit manifest=e.json model=e.safetensors", "the k-means model would overwrite the manifest"),
        ("av2unit.kmeans", "align manifest=m.jsonl references=km/m.units.jsonl out_dir=km", "overwrite the references"),
        ("unit2text.train", "data.train=m.jsonl data.units=run run_dir=./run", "the run would be one of its inputs"),
        ("text2unit.train", "data.train=m.jsonl data.units=run run_dir=./run", "the run would be one of its inputs"),
        ("netflips.commands.pairs", "--manifest m.jsonl --target ko --out-dir .", "the output folder is that of the manifest"),
        ("avcore.data.prepare.kaldi", "--data-root km/audio --out-dir km", "an input lies where"),
        ("recipes.demo.material.pairs", "--data . --units en.jsonl --text2unit v.npz --out-dir .", "overwrite the units"),
        ("avcore.data.prepare.zeroth", "--data-root km/audio --out-dir km", "an input lies where"),
        ("avcore.data.prepare.kox", "--data-root run --english-root km/audio --out-dir km", "an input lies where"),
        ("avcore.data.prepare.video", "--data-root km --out-dir km/new", "inside the corpus"),
        ("avcore.data.prepare.grid", "--data-root km/audio --out-dir km", "an input lies where"),
        ("avcore.data.prepare.lrs", "--data-root km/audio --out-dir km", "an input lies where"),
        ("avcore.data.prepare.aihub_lips", "--data-root km/audio/x --out-dir km", "an input lies where"),
    ],
)  # fmt: skip
def test_training_and_preparing(refused: Run, folder: Path, module: str, words: str, said: str) -> None:
    for name in ("run/checkpoints/best.pt", "run/checkpoints/x.jsonl", "km/audio/x/a.wav", "s.wav", "v.npz", "en.jsonl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")
    Path("link").symlink_to("run/checkpoints")
    for name in ("run/metrics.jsonl", "km/m.units.jsonl"):
        shutil.copy("units.jsonl", name)
    assert said in refused(import_module(module).main, *words.split())


def test_dub_in_python_too(folder: Path) -> None:
    models: Any = SimpleNamespace(languages=("en", "ko"))  # no model is looked at
    for options in (DubOptions(voice=Path("v.mp4")), DubOptions(background_audio=Path("v.mp4"))):
        with pytest.raises(OutputError, match="would overwrite the"):
            dub("a.mp4", "v.mp4", models, options)


@pytest.mark.parametrize(
    "words",
    [
        "dub no.mp4 --out-dir new/out --report new/r.html",
        "dub a.mp4 --out-vid-path new/o.mp4 --voice no.wav --report new/r.json",
        "dub a.mp4 --out-vid-path new/o.mp4 --utut-path no.pt --av2unit-path no.pt --unit2av-path no.pt",
        "units --in-vid-path no.mp4 --out-unit-path new/u.txt",
        "translate --in-unit-path no.txt --out-unit-path new/u.txt",
        "speak --in-unit-path no.txt --voice v.mp4 --out new/x.wav",
        "speak --in-unit-path u.txt --voice no.wav --out new/x.wav",
        "lip2speech no.mp4 --out new/x.wav",
        "lip2speech a.mp4 --out new/x.wav --voice no.wav --save-mel new/x.npz",
        "render --in-unit-path no.txt --in-vid-path a.mp4 --out-vid-path new/x.mp4",
        "render --in-unit-path u.txt --in-vid-path no.mp4 --out-vid-path new/x.mp4",
        "extract no --out-dir new --cpu",
        "extract m.jsonl --out-dir new --cpu --av2unit-path no.pt",
        "convert no.pt --out new/x.safetensors",
        "manifest merge m.jsonl no.jsonl -o new/m.jsonl",
        "manifest split no.jsonl --by split --out-dir new",
        "manifest from-tsv no.tsv -o new/m.jsonl",
    ],
)
def test_a_mistyped_path_leaves_no_folder(refused: Run, words: str) -> None:
    assert "no" in refused(cli.main, *words.split())
