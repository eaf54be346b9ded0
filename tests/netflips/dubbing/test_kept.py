"""A kept translation is used as long as nothing that it is made of changes: each of its makers in turn."""

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from avcore.notes import Notes
from avcore.progress import StageClock, silent
from avcore.timeline import Interval
from avcore.units import Units
from netflips.cascade import chat
from netflips.cascade.options import CascadeModels
from netflips.cascade.translator import TextTranslation
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import part_of
from netflips.dubbing.roads import text as road
from netflips.dubbing.roads.units import UnitRoad
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.script.targets import Text, UnitList
from netflips.script.types import Script, SpeakerOf
from netflips.script.utterance import SourceUnits, Utterance
from unit2unit.translator import SearchConfig

PLACE = Interval(0.0, 2.0)


def _job(store: Store, script: Script, models: Any, **more: Any) -> Any:
    part = part_of(script, Fraction(3))
    info = SimpleNamespace(path=Path("talk.mp4"), source=None)
    given = {"options": DubOptions(), "term_readings": {}, "readings": {}, "languages": (script.source, script.target)}
    return SimpleNamespace(
        **given | {"models": models, "store": store, "part": part, "info": info, "notes": Notes(), "clock": StageClock()}
        | {"progress": silent} | more
    )  # fmt: skip


class _UnitTranslator:
    def __init__(self, offset: int) -> None:
        self.unit_offset, self.default_search = offset, SearchConfig()

    def translate_batch(self, sequences: list[Units], *_: object) -> list[Any]:
        made = Units(sequences[0].ids + self.unit_offset)
        return [SimpleNamespace(units=made, score=0.0, truncated=False, weakest=None, others=())] * len(sequences)


UNIT_MAKERS: dict[str, dict[str, Any]] = {
    "another checkpoint": {"fingerprint": "other"},
    "--translator-unit-offset": {"offset": 4},
    "another device": {"arithmetic": "cuda:0 float16"},
    "--beam": {"beam": 2},
    "--max-target-units": {"max_target_units": 30},
    "the units": {"ids": (1, 2, 4)},
    "their vocabulary": {"vocabulary": "v2"},
    "--from": {"source": "fr"},
    "--to": {"target": "en"},
}


def test_units_are_translated_anew_for_each_of_their_makers(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def made(ids: tuple[int, ...] = (1, 2, 3), vocabulary: str = "v", source: str = "en", target: str = "ko", offset: int = 0,
        fingerprint: str = "f", arithmetic: str = "cpu float32", **options: Any) -> int:  # fmt: skip
        """Return how many pieces of work are made."""
        heard = SourceUnits(units=UnitList(ids, None, vocabulary))
        script = Script(source, target, utterances=(Utterance(1, PLACE, source_units=heard),))
        models = SimpleNamespace(
            translator=_UnitTranslator(offset), extractor=None, vocoder=None, fingerprints={"unit2unit": fingerprint},
            arithmetic=arithmetic, how=SimpleNamespace(device="cpu"), done_with=lambda stage: None,
            paths=SimpleNamespace(utut="x"),
        )  # fmt: skip
        before = store.made["translations"]
        told = UnitRoad().translate(script, _job(store, script, models, options=DubOptions(**options)), Sound.none())
        assert told.utterances[0].target.units.ids == tuple(one + offset for one in ids)  # type: ignore[union-attr]
        return store.made["translations"] - before

    assert [made(), made()] == [1, 0]
    for maker, change in UNIT_MAKERS.items():
        assert [made(**change), made(**change), made()] == [1, 0, 0], maker


PROGRAM = """import json, sys
for line in sys.stdin:
    print(json.dumps({"ok": True, "text": "정류장은 저기예요"}), flush=True)
"""
TEXT_MAKERS: dict[str, dict[str, Any]] = {
    "another folder": {"fingerprint": "other"},
    "another device": {"arithmetic": "cuda:0 float16"},
    "the text": {"text": "The stop is here."},
    "--from": {"source": "fr"},
    "--to": {"target": "en"},
}
PROGRAM_MAKERS: dict[str, dict[str, Any]] = {
    "an option of the program": {"option": " -u"},
    "the program's file": {"content": f"{PROGRAM}# mended"},
    "the text": {"text": "The stop is here."},
    "--glossary": {"glossary": "stop\t정류장\n"},
    "the level of a speaker": {"level": "반말"},
    "the time of the sentence": {"seconds": 3.0},
    "a folder's model": {"program": None},
}
CHAT_MAKERS: dict[str, dict[str, Any]] = {
    "another server": {"program": "http://127.0.0.1:9/v1"},
    "another model": {"chat_model": "gemma3:27b"},
    "the model that the server has": {"served": "qwen3:4b"},
    "--speech-level": {"speech_level": "합니다체"},
    "the prompt": {"patched": ("_SYSTEM", "Translate {source} into {target}. {style}")},
    "the prompt for Korean": {"patched": ("_KOREAN", "{level} {examples}")},
    "its examples": {"patched": ("_EXAMPLES", {"Yes.": ("네요.", "네.", "응.")})},
    "the form of answers": {"patched": ("CANDIDATES", ("natural", "short"))},
    "--glossary": {"glossary": "stop\t정류장\n"},
}


class _ChatServer:
    def __init__(self, base: str, model: str | None, served: str) -> None:
        self.base, self.model, self.served, self.other_machine = base, model, served, ""

    def check(self) -> None:
        self.model = self.model or self.served

    def answer(self, *_: object) -> str:
        return json.dumps({"lines": [{"number": 1, "natural": "정류장은 저기예요"}]}, ensure_ascii=False)


@pytest.fixture
def translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Translates a sentence over text, and returns how many pieces of work it makes."""
    store = Store(tmp_path / "work")
    texts = SimpleNamespace(seconds_of=lambda text: 2.0, syllable_s=0.1, readings={})
    monkeypatch.setattr(road, "text_speech", lambda *_: texts)
    monkeypatch.setattr(road, "titles_in", lambda *_: [])

    def made(text: str = "The stop is there.", source: str = "en", target: str = "ko", fingerprint: str = "f",
        arithmetic: str = "cpu float32", program: str | None = None, chat_model: str | None = None, served: str = "gemma3:4b",
        speech_level: str = "", glossary: str = "", level: str = "", seconds: float = 2.0, option: str = "",
        content: str = PROGRAM, patched: tuple[str, Any] = ("_SYSTEM", chat._SYSTEM)) -> int:  # fmt: skip
        (tmp_path / "program.py").write_text(content)
        (tmp_path / "glossary.tsv").write_text(glossary)
        place = Interval(0.0, seconds)
        script = Script(
            source,
            target,
            speakers=(SpeakerOf("Ann", level=level),),
            utterances=(Utterance(1, place, "Ann", text=Text(text, source)),),
        )
        model = SimpleNamespace(candidates=lambda *_: [TextTranslation("정류장은 저기예요", -0.1)])
        engines = SimpleNamespace(translator=model, fingerprints={"text translator": fingerprint})
        command = (program or "").replace("PROGRAM", f"{sys.executable}{option} {tmp_path / 'program.py'}")
        terms = tmp_path / "glossary.tsv" if glossary else None
        asked = CascadeModels(Path("recognizer"), Path("translator"), command, terms, chat_model, speech_level)
        with monkeypatch.context() as now:
            now.setattr(road, "engines_of", lambda *_: engines)
            now.setattr(chat, "ChatServer", lambda base, model, limit_s: _ChatServer(base, model, served))
            now.setattr(chat, *patched)
            before = store.made["translated"]
            models = SimpleNamespace(arithmetic=arithmetic, languages=(source, target))
            job = _job(store, script, models, texts_file=tmp_path / "texts.json")
            road.TextRoad(asked).translate(script, job, Sound.none())
        return store.made["translated"] - before

    return made


@pytest.mark.parametrize(
    ("makers", "program"),
    [(TEXT_MAKERS, None), (PROGRAM_MAKERS, "PROGRAM"), (CHAT_MAKERS, "http://127.0.0.1:8/v1")],
    ids=["a folder's model", "a program", "a language model"],
)
def test_texts_are_translated_anew_for_each_of_their_makers(
    translated: Callable[..., int], makers: dict[str, dict[str, Any]], program: str | None
) -> None:
    def made(**change: Any) -> bool:
        return translated(**{"program": program} | change) > 0

    assert [made(), made()] == [True, False]
    for maker, change in makers.items():
        assert [made(**change), made(**change), made()] == [True, False, False], maker
