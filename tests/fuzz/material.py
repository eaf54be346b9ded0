"""The good files that are damaged: made on the fly, a few seconds each, from the clip of the demo and random weights."""

import json
import os
import shutil
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.faces.boxes import write_boxes
from avcore.media import read_speech, write_speech
from avcore.speech.audio import resample
from avcore.timeline import Interval
from netflips.provenance.manifest import Signing, machine_file
from netflips.provenance.options import MarkFlags
from netflips.script.files import write_script
from netflips.script.types import Script, SpeakerOf, VoiceFile
from netflips.script.utterance import Utterance
from recipes.demo.random.random_checkpoints import (
    KOREAN_TRANSLATOR,
    RENDERER,
    SPEAKER_ENCODER,
    UNIT_ENCODER,
    write_random_checkpoints,
)
from tests.avcore.media_samples import Film
from tests.fuzz.asked import HOST

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "docs" / "clip" / "clip.mp4"
ENCODER, TRANSLATOR, VOICES, SPEAKER = UNIT_ENCODER, KOREAN_TRANSLATOR, RENDERER, SPEAKER_ENCODER
OWN = {ENCODER: "encoder.safetensors", TRANSLATOR: "translator.safetensors", VOICES: "voices.safetensors"}
VIDEOS = {
    "x.mp4": ("libx264", "aac"),
    "x.mkv": ("libx264", "flac"),
    "x.webm": ("libvpx", "libopus"),
    "x.mov": ("mpeg4", "pcm_s16le"),
    "x.avi": ("mjpeg", "pcm_s16le"),
}
SOUNDS = {"x.wav": "pcm_s16le", "x.flac": "flac", "x.mp3": "libmp3lame", "x.ogg": "libopus"}
_FRAMES, _RATE, _WIDTH, _HEIGHT = 25, 25, 240, 180


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _checkpoints(folder)
    _media(folder)
    _texts(folder)
    _asked(folder)


def _checkpoints(folder: Path) -> None:
    write_random_checkpoints(folder, "tiny", only_korean=True)
    for published, own in OWN.items():
        stored = read_checkpoint(folder / published, None)
        write_checkpoint(folder / own, stored.stage, stored.config, stored.tensors)
    shutil.copytree(ROOT / "netflips" / "bundle", folder / "bundle")
    np.save(folder / "voice.npy", np.full(256, 1 / 16, np.float32))
    write_boxes(folder / "boxes.pkl", [(60.0, 30.0, 170.0, 160.0)] * _FRAMES)


def _media(folder: Path) -> None:
    with av.open(str(CLIP)) as source:
        frames = [frame.to_ndarray(format="rgb24", width=_WIDTH, height=_HEIGHT) for frame in source.decode(video=0)][:_FRAMES]
    speech = read_speech(CLIP)[: 16000 * _FRAMES // _RATE]
    film = Film([Fraction(number, _RATE) for number in range(_FRAMES)], frames, (_WIDTH, _HEIGHT), tick=Fraction(1, _RATE))
    for name, (video, audio) in {**VIDEOS, **{name: ("", audio) for name, audio in SOUNDS.items()}}.items():
        rate = 48000 if "opus" in audio else 16000
        shown = {"codec": video, "pixel_format": "yuvj420p" if video == "mjpeg" else "yuv420p"} if video else {"times": ()}
        replace(film, **shown, sound=resample(speech, 16000, rate), audio_codec=audio, audio_rate=rate).write(folder / name)
    write_speech(folder / "voice.wav", read_speech(CLIP))


def _texts(folder: Path) -> None:
    units = [zlib.crc32(bytes([number])) % 1000 for number in range(40)]
    (folder / "units.txt").write_text(" ".join(map(str, units)) + "\n")
    same = {"durations": [2] * 20, "language": "en", "vocabulary": "sha256:0"}
    rows = [{"id": f"a/{number}", "units": units[number : number + 20]} | same for number in range(6)]
    write_lines(folder / "units.jsonl", rows)
    write_lines(folder / "units_ko.jsonl", [row | {"language": "ko"} for row in rows])
    manifest = [
        {"id": f"a/{number}", "audio": "x.wav", "duration_s": 1.0, "samples": 16000, "frames": 25, "language": "en", "speaker": "1",
         "text": "안녕하세요", "extra": {"a": [1, 2]}}
        for number in range(6)
    ]  # fmt: skip
    write_lines(folder / "manifest.jsonl", manifest)
    said = (Utterance(place=Interval(0.1, 0.5), speaker="Ann"), Utterance(place=Interval(0.55, 0.9), speaker="Ben"))
    people = (SpeakerOf("Ann", face="none"), SpeakerOf("Ben", VoiceFile("voice.wav")))
    write_script(folder / "script.json", Script(speakers=people, utterances=said))
    (folder / "subtitles.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\n[1]\n\n2\n00:00:00,550 --> 00:00:00,900\n[2]\n")
    (folder / "train.tsv").write_text("/\n" + "".join(f"a{n}\t\t{folder}/x.wav\t25\t16000\n" for n in range(4)))
    (folder / "train.km").write_text("".join(" ".join(map(str, units[:50] + units[:10])) + "\n" for _ in range(4)))
    (folder / "dict.km.txt").write_text("".join(f"{unit} 1\n" for unit in range(1000)))
    (folder / "train.txt").write_text(f"{{'audio': 'x.wav', 'hubert': '{' '.join(map(str, units[:20]))}'}}\n" * 2)
    for name in ("data/kox.yaml", "av2unit/train_debug.yaml"):
        shutil.copyfile(ROOT / "configs" / name, folder / Path(name).name)


_ASS = "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
_SMI = "<SAMI><BODY><SYNC Start=100><P Class=KRCC>안녕하세요<SYNC Start=900><P Class=ENCC>Hello<SYNC Start=2000><P>&nbsp;</BODY>"


def _asked(folder: Path) -> None:
    """What `tests.fuzz.asked` reads, and signed files, by a key that is made here."""
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    texts = {
        "said.srt": "1\n00:00:00,100 --> 00:00:01,500\nHello.\n안녕하세요.\n\n2\n00:00:01,550 --> 00:00:02,900\n- Where?\n",
        "said.vtt": "WEBVTT\n\nNOTE x\n\n00:00.100 --> 00:01.500 line:0\n<v Ann>Hello &amp; <i>you</i>\n",
        "said.ass": f"{_ASS}Dialogue: 0,0:00:00.10,0:00:01.50,Default,Ann,0,0,0,,{{\\i1}}Hello{{\\i0}}\\Nyou\n",
        "said.smi": _SMI,
        "glossary.tsv": "# terms\nairport\t공항(T1)\nlanguage model\t대규모 언어 모델(LLM)\n",
        "consent.yaml": "- {who: A. Kim, agreed_to: a dub into Korean, until: 2999-12-31}\n- {who: B. Lee, agreed_to: 더빙}\n",
        "answers.jsonl": '{"ok": true}\nloading\n{"ok": true, "number": 1, "texts": ["공항이 어디에 있어요?", "공항은요?"]}\n',
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "answer.http").write_bytes(b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"ok": true, "text": "\xea\xb0\x80"}\n')
    (folder / "host.http").write_bytes(HOST)
    shutil.copyfile(folder / "x.wav", folder / "speech.wav")
    signing = Signing.of(MarkFlags(sign=True))
    facts = {"may_be_sold": "no", "consent": [{"who": "A. Kim", "agreed_to": "x"}], "models": [{"part": "face", "file": "x.pt"}]}
    for ending in (".mp4", ".mkv"):
        signing.sign((), facts, folder / f"signed{ending}")(folder / f"x{ending}", folder / f"signed{ending}")
    shutil.copyfile(machine_file(), folder / "key.pem")


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main(argv: list[str]) -> int:
    make(Path(argv[0]))
    return 0
