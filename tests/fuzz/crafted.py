"""Named cases: what once hung, ate the memory, gave another result without a word, or ended in a traceback; damaged weights and
calls in pickles are refused in tests/avcore/test_checkpoint_safety.py.

Each says the exit code that it must end with, and words that its line must have.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from netflips.script.types import FORMAT
from tests.fuzz.cases import GOOD, TARGETS, Case
from tests.fuzz.material import ENCODER, OWN

DEEP = b"[" * 100_000 + b"]" * 100_000
HUGE = b"9" * 5000
LONG = "a" * 5000
_PICKLE_2 = b"\x80\x02"


def cases(good: Path) -> Iterator[Case]:
    yield from _zips(good)
    yield from _settings(good)
    yield from _documents(good)
    yield from _lines(good)
    yield from _yaml(good)


def _given(good: Path, source: str, content: bytes, name: str, words: str, code: int = 2, command: str = "") -> Case:
    """A case of the first target that reads `source` (with `command`): its file has this content."""
    target = next(one for one in TARGETS if one.source == source and command in " ".join(one.command))
    command_line = tuple(word.replace(GOOD, str(good)) for word in target.command)
    files: dict[str, bytes | Path] = {one: good / one for one in target.beside}
    if source.startswith("bundle/"):
        files |= {f"bundle/{path.name}": path for path in (good / "bundle").iterdir()}
    files[source] = content
    return Case(target.kind, f"{source}: {name}", command_line, files, target.outputs, (code,), words=words)


# Checkpoints


def _zips(good: Path) -> Iterator[Case]:
    yield _given(good, ENCODER, _larger(_zip(_PICKLE_2 + b"}.")), "a member larger than the file", "")
    yield _given(good, ENCODER, _zip(_doubling()), "lists that stand in lists, ten times each", "this is no unit encoder")
    yield _given(good, ENCODER, _zip(_PICKLE_2 + b"cbuiltins\nbytearray\n\x8a\x06\0\0\0\0\0\1\x85R."), "a call that wants 1 TB", "")


def _settings(good: Path) -> Iterator[Case]:
    stored = json.loads((good / OWN[ENCODER].replace(".safetensors", ".json")).read_bytes())
    sizes = {
        "encoder_layers": 10**12, "encoder_embed_dim": 10**12, "encoder_ffn_embed_dim": -1, "encoder_attention_heads": 0,
        "conv_pos": "128", "conv_pos_groups": [1], "final_dim": 1e300, "audio_feat_dim": True, "logit_temp": 0,
        "dropout": "0.1", "untie_final_proj": 1,
    }  # fmt: skip
    for name, value in sizes.items():
        changed = {**stored, "config": {**stored["config"], "model": {**stored["config"]["model"], name: value}}}
        yield _given(good, "encoder.json", json.dumps(changed).encode(), f"{name}: {value}", f"setting {name}", command="units")
    for name in ("stack_order_audio", "image_crop_size", "image_std"):
        changed = {**stored, "config": {**stored["config"], "task": {**stored["config"]["task"], name: -1}}}
        yield _given(good, "encoder.json", json.dumps(changed).encode(), f"{name}: -1", f"setting {name}", command="units")
    symbols = [[*stored["config"]["dictionaries"][0][:-1], "9" * 5000], stored["config"]["dictionaries"][1]]
    changed = {**stored, "config": {**stored["config"], "dictionaries": symbols}}
    yield _given(good, "encoder.json", json.dumps(changed).encode(), "a unit of 5,000 digits", "larger than any", command="units")
    vector = (good / "voice.npy").read_bytes()
    yield _given(good, "voice.npy", vector.replace(b"(256,)", b"(256,("), "a header that does not end", "cannot be read")
    yield _given(good, "voice.npy", vector.replace(b"(256,), }    ", b"(10**11,), }"), "no such shape", "cannot be read")
    yield _given(good, "voice.npy", vector.replace(b"(256,), }        ", b"(99999999999,), }"), "373 GiB", "cannot be read")
    stored = json.loads((good / "translator.json").read_bytes())
    for name, value in {"beam": "20", "max_len_b": 10**12, "temperature": 0, "lenpen": [1]}.items():
        changed = {**stored, "config": {**stored["config"], "generation": {**stored["config"]["generation"], name: value}}}
        said = f"{name}: {value}", f"setting {name}"
        yield _given(good, "translator.json", json.dumps(changed).encode(), *said, command="translate")


# Texts


def _documents(good: Path) -> Iterator[Case]:
    """JSON that nobody writes by accident, wherever JSON is read whole."""
    for source in ("encoder.json", "translator.json", "voices.json", "bundle/bundle.json", "script.json"):
        command = "units" if source == "encoder.json" else ""
        yield _given(good, source, DEEP, "lists 100,000 deep", "nested more than", command=command)
        yield _given(good, source, b'{"a":' * 100_000, "objects 100,000 deep", "nested more than", command=command)
        yield _given(good, source, b"[" + HUGE + b"]", "a number of 5,000 digits", "beyond 64 bits", command=command)
        yield _given(good, source, b"[1e400]", "1e400", "too large", command=command)
        yield _given(good, source, b'["\xe9"]', "Latin-1", "no text", command=command)
        yield _given(good, source, '["x"]'.encode("utf-16"), "UTF-16", "UTF-16", command=command)
        yield _given(good, source, b'["\\ud800"]', "half a letter", "a letter that is none", command=command)
        content = (good / source).read_bytes()
        yield _given(good, source, b"\xef\xbb\xbf" + content, "with a byte order mark", "", 0, command)
    places = [{"place": {"start_s": number * 1e-5, "end_s": (number + 1) * 1e-5}} for number in range(20_000)]
    many = {"format": FORMAT, "utterances": places}
    yield _given(good, "script.json", json.dumps(many).encode(), "20,000 of 10 us", "utterance 1 is too short")
    yield _given(good, "subtitles.srt", b"1\n" + HUGE + b":00:00,000 --> 99:00:00,000\n", "hours of 5,000 digits", "found line 2")


def _lines(good: Path) -> Iterator[Case]:
    """What is read a line at a time: the line is named."""
    yield _given(good, "units.txt", b"\n" * 20, "blank lines", "found blank lines", command="translate")
    many = b" ".join(b"%d" % (n % 1000) for n in range(100_000))
    yield _given(good, "units.txt", many, "100,000 units", "too many units", command="translate")
    yield _given(good, "units.txt", HUGE, "a unit of 5,000 digits", "token 0 is not a unit", command="translate")
    row = {"id": "a", "audio": "x.wav", "duration_s": 1.0, "text": "x"}
    none, entry = "line 1 is no JSON; found a letter that is none", "line 1 is no manifest entry; found"
    manifests = {
        "Latin-1": (b'{"id": "a"}\n{"id": "\xe9"}\n', "line 2 "),
        "a list 100,000 deep": (b'{"id": "a"}\n' + DEEP, "line 2 is no JSON; found nested more than"),
        "a number of 5,000 digits": (b'{"id": "a", "frames": ' + HUGE + b"}\n", "line 1 is no JSON; found a whole number beyond"),
        "1e400": (b'{"id": "a", "duration_s": 1e400}\n', "line 1 is no JSON; found a number that is too large"),
        "NUL in an id": (json.dumps(row | {"id": "a\0b"}).encode(), none),
        "half a letter in a path": (json.dumps(row | {"audio": "\ud800.wav"}).encode(), none),
        "an id of 5,000 letters": (json.dumps(row | {"id": LONG}).encode(), f"{entry} id is longer"),
        "a path of 5,000 letters": (json.dumps(row | {"audio": LONG}).encode(), f"{entry} audio is longer"),
    }
    for name, (content, words) in manifests.items():
        yield _given(good, "manifest.jsonl", content, name, words, command="stats")
    units = {"id": "a/0", "units": [1, 2], "durations": [2_000_000_000_000, 1]}
    rows = {
        "durations of 2e12": (json.dumps(units).encode(), "longer than a day"),
        "a unit of 10^400": (json.dumps(units | {"units": [10**400, 1]}).encode(), "line 1 is no JSON"),
        "text in place of units": (json.dumps(units | {"units": "abc"}).encode(), ""),
    }
    for name, (content, words) in rows.items():
        yield _given(good, "units.jsonl", content, name, words, command="to-unit2a")
    yield _given(good, "train.km", b"1 2 99999999999 4\n" * 4, "a label of 99999999999", "larger than any quantizer's")
    yield _given(good, "dict.km.txt", b"0 1\n99999999999 1\n", "a unit of 99999999999", "larger than any quantizer's")
    yield _given(good, "train.tsv", b"/\na\t\tx.wav\t" + HUGE + b"\t1\n", "a length of 5,000 digits", "line 2 is no clip")
    yield _given(good, "train.tsv", f"/\na\t\t{LONG}\t1\t1\n".encode() * 4, "a path of 5,000 letters", "")
    yield _given(good, "train.txt", b"{'audio': " + b"(" * 50_000, "nested 50,000 deep", "no Python dict literal")


def _yaml(good: Path) -> Iterator[Case]:
    doubled = b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12))
    contents = {
        "a list that does not end": b"text: [a\n",
        "a tab": b"text:\t- a\n",
        "a key that is there twice": b"text: [a]\ntext: [b]\n",
        "a tag of Python's": b"text: !!python/object/apply:os.system [touch x]\n",
        "Latin-1": b"english_ending: \xe9\n",
        "5,000 deep": b"text: " + b"[" * 5000,
        "5,000 digits": b"english_ending: " + HUGE,
        "a list that holds itself": b"text: &a [*a]\n",
        "a thousand million values": b"a0: &a0 [1, 1]\n" + doubled,
        "a number": b"5\n",
        "defaults that are none": b"defaults: 5\n",
        "two documents": b"text: [a]\n---\ntext: [b]\n",
        "no date": b"english_ending: 2012-99-99\n",
        "UTF-16": "text: [a]\n".encode("utf-16"),
    }
    for name, content in contents.items():
        yield _given(good, "kox.yaml", content, name, "kox")
        other = content.replace(b"text", b"data").replace(b"english_ending", b"run_dir")
        yield _given(good, "train_debug.yaml", other, name, "train_debug")


def _zip(pickled: bytes) -> bytes:
    """A torch.save file of this pickle and nothing else."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {"data.pkl": pickled, "version": b"3\n", "byteorder": b"little"}.items():
            archive.writestr(f"x/{name}", content)
    return file.getvalue()


def _larger(content: bytes) -> bytes:
    """The same zip, its table of contents saying that the first member has 3 GB."""
    place = content.index(b"PK\x01\x02") + 20
    return content[:place] + (3_000_000_000).to_bytes(4, "little") * 2 + content[place + 8 :]


def _doubling() -> bytes:
    """A list of ten times the list before, thirty times over: 10^30 values in 700 bytes."""
    rows = [b"]q%c(" % number + b"h%c" % (number - 1) * 10 + b"e" for number in range(1, 30)]
    held = b"]q\x1e(" + b"".join([b"]q\0(K\1K\1e", *rows]) + b"e"
    return _PICKLE_2 + b"}(X\x05\0\0\0model" + held + b"X\x03\0\0\0cfg" + b"h\x1d" + b"u."
