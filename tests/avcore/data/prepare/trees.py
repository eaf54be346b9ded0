"""Small trees in the layouts of the corpora as they are delivered."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.avcore.data.prepare.made import sound_bytes, split_file, write_tar, write_zip

KOX_NAMES = [f"et_c_005_002_009_{number:04d}" for number in range(26, 30)]
LIP_PLAN = (0.6, 1.4, 0.5, 1.3, 0.6)
"""Silence and speech in turn, seconds."""
LIP_SENTENCES = [(0.6, 2.0, "최근에 날씨가 좋아요."), (2.5, 3.8, "우리는 X 학교에 갑니다.")]

Row = dict[str, object]
_FLEURS_READ = {"en_us": {"1": 2, "2": 1, "4": 1}, "ko_kr": {"1": 1, "2": 1, "3": 1}}
"""How often each sentence of FLEURS is read."""


def write_zeroth(root: Path, per_speaker: int = 3, seconds: float = 0.4) -> Path:
    """Zeroth Korean as it comes out of its archive: two speakers to train, one to test."""
    for split, speaker in (("train", "106"), ("train", "113"), ("test", "104")):
        folder = root / f"{split}_data_01" / "003" / speaker
        folder.mkdir(parents=True)
        names = [f"{speaker}_003_{number:04d}" for number in range(per_speaker)]
        for number, name in enumerate(names):
            (folder / f"{name}.flac").write_bytes(sound_bytes(seconds, number % 5, kind="FLAC"))
        lines = "".join(f"{name} 한국어 문장 {name}\n" for name in names)
        (folder / f"{speaker}_003.trans.txt").write_text(lines, encoding="utf-8")
    (root / "AUDIO_INFO").write_text("SPEAKERID|NAME|SEX|SCRIPTID|DATASET\n106|x|f|003|train_data_01\n")
    return root


_SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
_STRINGS = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{}</sst>'


def write_spreadsheet(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """A sheet as Excel writes it: numbers in the first column, texts once in a table of their own."""
    strings = list(dict.fromkeys(text for row in rows for text in row))
    lines = list[str]()
    for number, row in enumerate(rows, 1):
        cells = "".join(f'<c r="{"BC"[place]}{number}" t="s"><v>{strings.index(text)}</v></c>' for place, text in enumerate(row))
        lines.append(f'<row r="{number}"><c r="A{number}"><v>{number - 2}</v></c>{cells}</row>')
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", _SHEET.format("".join(lines)))
        book.writestr("xl/sharedStrings.xml", _STRINGS.format("".join(f"<si><t>{text}</t></si>" for text in strings)))


def write_kosp2e(root: Path, seconds: float = 0.4) -> Path:
    """kosp2e with two of its parts; a recording of Zeroth's that has no translation, and a translation without a recording."""
    names = {"zeroth": [f"106_003_{number:04d}" for number in range(3)], "stylekqc": ["a_1"]}
    for part, its in names.items():
        (root / "data" / part).mkdir(parents=True)
        for number, name in enumerate(its):
            (root / "data" / part / f"{name}.wav").write_bytes(sound_bytes(seconds, number))
    head = ("file", "en")
    write_spreadsheet(
        root / "split" / "zeroth_train.xlsx", [head, ("106_003_0000", "He said so &amp; left."), ("106_003_0009", "No.")]
    )
    write_spreadsheet(root / "split" / "zeroth_dev.xlsx", [head, ("106_003_0001.wav", "Yes.")])
    write_spreadsheet(root / "split" / "style_test.xlsx", [head, ("a_1", "Turn it on.")])
    return root


def write_lhotse(root: Path) -> Path:
    """Manifests as lhotse 1.33 writes them of LibriSpeech, and of a recording with two utterances."""
    (root / "sound").mkdir(parents=True)
    for part, names in {"train-clean-5": ("84-1-0000", "84-1-0001"), "dev-clean": ("85-1-0000",)}.items():
        recordings, utterances = list[Row](), list[Row]()
        for number, name in enumerate(names):
            (root / "sound" / f"{name}.flac").write_bytes(sound_bytes(1.0, number, kind="FLAC"))
            source = {"type": "file", "channels": [0], "source": str(root / "sound" / f"{name}.flac")}
            recordings.append({"id": name, "sources": [source], "sampling_rate": 16000, "num_samples": 16000, "duration": 1.0})
            parts = [(name, 0.0, 1.0)] if part.startswith("train") else [(f"{name}-{at}", 0.4 * at, 0.4) for at in (0, 1)]
            utterances += [
                {"id": one, "recording_id": name, "start": start, "duration": seconds, "channel": 0, "text": f"GO TO {number}",
                 "language": "English", "speaker": name[:2]} for one, start, seconds in parts
            ]  # fmt: skip
        utterances.append({"id": f"lost-{part}", "recording_id": "none", "start": 0.0, "duration": 1.0, "text": "LOST"})
        _write_manifests(root, "librispeech", part, recordings, utterances)
    return root


def write_lhotse_kspon(root: Path) -> Path:
    """Manifests as lhotse 1.33 writes them of KsponSpeech: its evaluation's part, recordings of one utterance by nobody named."""
    root.mkdir(parents=True)
    name, path = "KsponSpeech_E00001", root / "KsponSpeech_E00001.wav"
    path.write_bytes(sound_bytes(0.8, 1))
    source = {"type": "file", "channels": [0], "source": str(path)}
    recording = {"id": name, "sources": [source], "sampling_rate": 16000, "num_samples": 12800, "duration": 0.8}
    utterance = {
        "id": name,
        "recording_id": name,
        "start": 0.0,
        "duration": 0.8,
        "channel": 0,
        "text": "아 그래?",
        "language": "Korean",
    }
    _write_manifests(root, "ksponspeech", "eval_clean", [recording], [utterance])
    return root


def _write_manifests(root: Path, corpus: str, part: str, recordings: list[Row], utterances: list[Row]) -> None:
    for kind, rows in (("recordings", recordings), ("supervisions", utterances)):
        with gzip.open(root / f"{corpus}_{kind}_{part}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def write_fleurs(root: Path, seconds: float = 0.3) -> Path:
    """Two languages of FLEURS, recordings of some seconds; the Korean sound to test on is in an archive."""
    for folder, read in _FLEURS_READ.items():
        for split in ("train", "dev", "test"):
            names = [(one, f"{folder}{split}{one}{number}.wav") for one, count in read.items() for number in range(count)]
            rows = [f"{one}\t{name}\t{folder} sentence  {one}.\tsentence {one}\ts e n\t4800\tFEMALE\n" for one, name in names]
            audio = root / folder / "audio"
            audio.mkdir(parents=True, exist_ok=True)
            (root / folder / f"{split}.tsv").write_text("".join(rows))
            first = ("train", "dev", "test").index(split)
            sounds = {f"{split}/{name}": sound_bytes(seconds * (1 + first / 3), number) for number, (_, name) in enumerate(names)}
            if (folder, split) == ("ko_kr", "test"):
                write_tar(audio / "test.tar", sounds)
                continue
            (audio / split).mkdir()
            for name, content in sounds.items():
                (audio / name).write_bytes(content)
    return root


def write_kaldi_folder(root: Path, count: int = 3) -> Path:
    """A folder of an ESPnet recipe: paths from the place that the recipe is run in."""
    folder = root / "data" / "tr_no_dev"
    folder.mkdir(parents=True)
    (root / "wavs").mkdir()
    names = [f"kss_{number:04d}" for number in range(count)]
    for number, name in enumerate(names):
        (root / "wavs" / f"{name}.wav").write_bytes(sound_bytes(0.4 + number / 10, number % 5))
    write_table(folder / "wav.scp", {name: f"wavs/{name}.wav" for name in names})
    write_table(folder / "text", {name: f"한국어 문장 {number}" for number, name in enumerate(names)})
    write_table(folder / "utt2spk", dict.fromkeys(names, "kss"))
    return folder


def write_table(path: Path, rows: Mapping[str, str]) -> None:
    """A table of Kaldi's: names, and what stands behind them."""
    path.write_text("".join(f"{name} {rest}\n" for name, rest in rows.items()), encoding="utf-8")


def kox_label(number: int, **more: object) -> bytes:
    """A label as AIHub's translation corpora have them."""
    row = {"sn": number, "ko": f"한국어  문장 {number}", "en": f"English sentence {number}"}
    return json.dumps({**row, "domain": "여행", "speaker": {"id": "A01"}, **more}, ensure_ascii=False).encode()


def write_kox(
    root: Path,
    labels: Mapping[str, bytes] | None = None,
    english: bool = False,
    names: Sequence[str] = KOX_NAMES,
    seconds: float = 0.4,
) -> Path:
    """AIHub Ko-X as it is delivered: training data in parts, the names in its archives in CP949, validation data whole."""
    train, valid = root / "01-1.정식개방데이터" / "Training", root / "01-1.정식개방데이터" / "Validation"
    labels = labels or {f"{name}.json": kox_label(number) for number, name in enumerate(names)}
    sounds = {f"여행/{name}.wav": sound_bytes(seconds, number, 48000) for number, name in enumerate(names)}
    if english:
        sounds |= {f"여행/{name}_en.wav": sound_bytes(0.75 * seconds, 7 + number, 48000) for number, name in enumerate(names[:2])}
    last = f"여행/{names[-1]}.wav"
    split_file(write_zip(train / "01.원천데이터" / "TS1.zip", {k: v for k, v in sounds.items() if k != last}, "cp949"), 3, True)
    write_zip(valid / "01.원천데이터" / "VS1.zip", {last: sounds[last]})
    write_zip(train / "02.라벨링데이터" / "TL1.zip", {f"여행/{k}": v for k, v in labels.items()}, "cp949")
    return root


def lip_label(name: str, rows: Sequence[Sequence[float]], angle: str = "A", **more: Any) -> bytes:
    """A label of AIHub's lip-reading video. rows: a face box for each frame."""
    sentences = [
        {"ID": number, "topic": "weather", "sentence_text": text, "start_time": start, "end_time": end}
        for number, (start, end, text) in enumerate(LIP_SENTENCES, 1)
    ]
    content = {
        "Video_info": {"video_Name": f"{name}.mp4", "FPS": 30},
        "Video_env": {"env": "indoor", "Angle": angle},
        "Sentence_info": sentences,
        "speaker_info": {"speaker_ID": "E220", "Gender": "F"},
        "Bounding_box_info": {"Face_bounding_box": {"xtl_ytl_xbr_ybr": rows}},
    }
    return json.dumps([{**content, **more}], ensure_ascii=False).encode()


def write_aihub_lips(root: Path, name: str, video: bytes, label: bytes) -> Path:
    """AIHub's lip-reading video as it is delivered: a video and its label, and a label of a video that is not there."""
    folder = root / "01.데이터" / "1.Training"
    inside = "소음환경1/E(전문가)/F(여성)/F(여성)_1"
    write_tar(folder / "원천데이터" / "TS5.tar", {f"{inside}/{name}.mp4": video})
    write_tar(folder / "라벨링데이터" / "TL5.tar", {f"{inside}/{name}.json": label, f"{inside}/lip_other.json": label})
    return root


MUAVIC_TALKS = {"aaa": 3, "bbb": 2}
"""Segments of each talk of `write_muavic`."""


def write_muavic(root: Path, crops: Path, squeezed: Path) -> tuple[Path, Path]:
    """Spanish of MuAViC and its mTEDx, whose es-en has the segments in another order and lacks one; returns both folders.

    crops, squeezed: videos of 96x96. Talk aaa has crops but for its second segment, which is squeezed; bbb has sound alone.
    """
    muavic, mtedx = root / "muavic", root / "mtedx"
    names = [f"{talk}_{number:04d}" for talk, count in MUAVIC_TALKS.items() for number in range(count)]
    rows = ["/"]
    for number, name in enumerate(names):
        place, talk = f"test/{name[:3]}/{name}", name[:3]
        sound, video = muavic / "es" / "audio" / f"{place}.wav", muavic / "es" / "video" / f"{place}.mp4"
        sound.parent.mkdir(parents=True, exist_ok=True)
        sound.write_bytes(sound_bytes(0.8, number))
        if talk == "aaa":
            video.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(squeezed if name == "aaa_0001" else crops, video)
        rows.append(f"{place}\t{video}\t{sound}\t20\t12800")
    (muavic / "es" / "en").mkdir()
    for table in ("test.tsv", "en/test_avst.tsv"):
        (muavic / "es" / table).write_text("\n".join(rows) + "\n")
    translated = [*reversed(names[1:3]), names[0], names[3]]
    for folder, ids in (("es-es", names), ("es-en", translated)):
        texts = mtedx / folder / "data" / "test" / "txt"
        texts.mkdir(parents=True)
        (texts.parent / "wav").mkdir()
        for talk in MUAVIC_TALKS:
            (texts.parent / "wav" / f"{talk}.flac").write_bytes(sound_bytes(3.0, 1, kind="FLAC"))
        lines = [f"{name} {name[:3]} {int(name[-4:]):.1f} {int(name[-4:]) + 0.8:.1f}\n" for name in ids]
        (texts / "segments").write_text("".join(lines))
        for language in ("es", "en"):
            (texts / f"test.{language}").write_text("".join(f"{language} of {name}\n" for name in ids))
    (muavic / "es" / "test.es").write_text("".join(f"es of {name}\n" for name in names))
    (muavic / "es" / "en" / "test_avst.en").write_text("".join(f"en of {name}\n" for name in translated))
    return muavic, mtedx
