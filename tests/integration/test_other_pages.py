"""Every command of the pages that are not about data or training runs, in the order of each page."""

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copy, copytree

import pytest

from avcore.media import SoundWriter, write_speech
from recipes.demo.random.random_checkpoints import write_random_checkpoints
from tests.avcore.data.prepare.made import talking_head
from tests.avcore.made_speech import talk
from tests.integration.pages import COMMON, ROOT, Form, check_help, check_settings, commands_of, keep_model, parameters, run_in_form
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.recognizers.tiny import write_whisper
from tests.unit2text.tiny import write_corpus, write_random_unit_to_text

TRAINED_PAGES = "data|data_preparation|training.*|first_dub"
"""Their commands run in test_data_pages.py."""
ALL_PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
"""In both languages."""
PAGES = [path for path in ALL_PAGES if not re.fullmatch(TRAINED_PAGES, path.stem)]
SEARCH = "--beam 2 --max-target-units 60"
FORMS = (
    Form(r"--translate-with http", "a language model that is not here", check=check_help),
    Form(r"lip2speech .*ann.wav", "a voice and published files that are not here", check=check_help),
    Form(r"netflips evaluate demo", "hours, and a synthesiser", check=check_help),
    Form(r"netflips evaluate (dubs|speech|dub|bench|latency) ", "dubs that are not here; own tests do", check=check_help),
    Form(r"--lips-with .*(LatentSync|musetalk|keysync)", "networks for lips that are not here", check=check_help),
    Form(r"--speak-with", "a synthesiser that is not everywhere", check=check_help),
    Form(r"av2unit.kmeans|av2unit.train", "a quarter of an hour, of a corpus that is not here", check=check_settings),
    Form(r"netflips convert runs/", "of a run of days", check=check_help),
    Form(
        r"(inference_av2av.py|netflips dub|unit2unit.inference) .*--utut-path", "random models never stop", more=f"{SEARCH} --yes"
    ),
    Form(r"netflips dub (?!.*--(ask|strict|yes))", "nobody understands babble", more="--yes"),
    Form(r"netflips live ", "streams, and models over text, that are not here; own tests do", check=check_help),
    Form(r"netflips avatar ", "a recognizer's folder, and a text-to-unit model, which a bundle may lack", check=check_help),
    Form(
        r"unit2text.train data",
        "minutes of both cores",
        more="loop.max_steps=4 loop.save_every=2 --config-name unit2text/train_debug",
    ),
    *COMMON,
)
INLINE = re.compile(r"(?<!`)`((?:python -m(?! tests\.)|netflips) [^`]+)`(?!`)")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a talk, and random checkpoints under the published names."""
    folder = tmp_path_factory.mktemp("desk")
    write_random_checkpoints(folder, "tiny", with_text=True)
    talking_head(folder / "talk.mp4", (0.2, 2.0, 0.2), 2)
    with SoundWriter(folder / "talk.mp3", 16000) as sound:
        sound.write_sound(talk([0.2, 2.0, 0.2]).astype("float32"))
    _write_what_is_read(folder)
    copytree(ROOT / "docs" / "clip", folder / "docs" / "clip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETFLIPS_MODELS", str(folder / "models"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        for name, flag, file in (
            ("whisper-small", "--recognizer", "faster-whisper-small"),
            ("encoder", "--av2unit-path", "mavhubert_large_noise.pt"),
            ("translator", "--utut-path", "utut_sts_ft.pt"),
            ("renderer", "--unit2av-path", "unit_av_renderer_withKO.pt"),
            ("renderer-ko", "--unit2av-path", "unit_av_renderer_withKO.pt"),
            ("m2m100-418m", "--text-translator", "m2m100_418M-ct2"),
        ):
            keep_model(name, flag, folder / file)
        patch.chdir(folder)
        yield folder


def _write_what_is_read(folder: Path) -> None:
    """Talks to transcribe, a reader with random weights for them, and a corpus for one that is trained."""
    (folder / "talks").mkdir()
    talking_head(folder / "interview.mp4", (0.2, 3.6, 0.2), 2)  # long enough for a voice to be known again
    copy(folder / "interview.mp4", folder / "next.mp4")
    for name in ("talks/first.mp4", "silent.mp4", "a.mp4", "b.mp4"):
        copy(folder / "talk.mp4", folder / name)
    for name in ("radio.wav", "korean.wav"):
        write_speech(folder / name, talk([0.2, 1.5, 0.3]))
    (folder / "talk.ko.srt").write_text("1\n00:00:00,200 --> 00:00:02,100\n네, 좋아요.\n", encoding="utf-8")
    (folder / "consent.yaml").write_text("- {who: A. Kim, agreed_to: all of it}\n")
    (folder / "tracks.yaml").write_text("tracks: dub,original,background\n")
    (folder / "people.yaml").write_text("people: people\n")
    (folder / "editor.yaml").write_text("timeline: talk_ko.otio\nstems: stems\n")
    write_random_unit_to_text(folder / "reader.safetensors")
    write_whisper(folder / "faster-whisper-small", "where is the bus stop")
    words = {"where": "어디", "is": "에", "the": "그", "bus": "버스", "stop": "서요"}
    write_translator(folder / "m2m100_418M-ct2", words, is_nllb=False)
    write_random_text_to_unit(folder / "text_to_unit.ko.safetensors")
    (folder / "ko").mkdir()
    for name, units, count in (("train", "units", 24), ("test", "test_units", 2)):
        for made, wanted in zip(write_corpus(folder, count, language="ko"), (name, units), strict=True):
            made.rename(folder / "ko" / f"{wanted}.jsonl")


@pytest.mark.usefixtures("packs_all")
@pytest.mark.parametrize("line", parameters(*PAGES))
def test_a_command_of_the_page_runs(line: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_in_form(line, FORMS, monkeypatch)


def _inline_commands() -> list[str]:
    found = {" ".join(line.split()) for page in ALL_PAGES for line in INLINE.findall(page.read_text(encoding="utf-8"))}
    return sorted(line for line in found if "{" not in line and "|" not in line and "..." not in line)


@pytest.mark.parametrize("line", _inline_commands())
def test_a_command_within_a_sentence_is_there_with_its_flags(line: str) -> None:
    """What a sentence names is a command, and its help has the flags that stand behind it."""
    check_help(line.split())


def test_pages_link_to_what_is_there() -> None:
    """Links between pages lead to files and headings."""
    broken = []
    for page in ALL_PAGES:
        for place in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, heading = place.partition("#")
            target = page if not name else (page.parent / name).resolve()
            if place.startswith("https://"):
                continue
            if not target.exists() or (heading and heading not in _headings(target)):
                broken.append(f"{page.name}: {place}")
    assert broken == []


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_pages_name_what_a_shell_needs_first() -> None:
    """A page whose commands need the environment says how to activate it, or calls its programs by their path."""
    for page in (ROOT / "docs").glob("*.md"):
        uses = [line for line in commands_of(page) if line.split()[0] in ("python", "netflips", "accelerate")]
        assert not uses or ".venv/bin" in page.read_text(encoding="utf-8"), page.name
