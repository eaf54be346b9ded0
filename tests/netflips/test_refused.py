"""What cannot be done is one line with exit code 2, before anything is made: each command's line, and what is said of it."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from avcore.media import VideoWriter, write_speech
from avcore.timeline import Interval
from netflips import cli
from netflips.model_paths import ModelPaths
from netflips.script.files import write_script
from netflips.script.targets import Text
from netflips.script.types import FORMAT, Script
from netflips.script.utterance import Utterance
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.avcore.made_speech import silence, talk
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.commands.test_portrait import write_portraits
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.conftest import config, write_clip
from tests.netflips.recognizers.tiny import write_whisper
from tests.unit2av.mouth_samples import open_mouth

TWO_MODELS = "--av2unit-path {av2unit} --unit2av-path {unit2av} --cpu"
MODELS = f"--utut-path {{utut}} {TWO_MODELS}"
LINES = {
    "": "",
    "dub": f"dub {{clip}} -o x.mp4 --from en --to ko --modalities audio {MODELS}",
    "bundle": "dub {clip} -o x.mp4",
    "cascade": "dub {clip} -o x.mp4 --to ko --cascade --recognizer {whisper} --text-translator {nllb} "
    "--text2unit-path {text_to_unit} "
    "--unit2av-path {unit2av} --cpu",
    "say": "say -o x.wav --text2unit-path {text_to_unit} --unit2av-path {unit2av} --voice {voice} --cpu",
    "transcribe": "transcribe --unit2text-path {reader} --av2unit-path {av2unit} --cpu",
    "lip2speech": f"lip2speech -o x.wav {TWO_MODELS}",
    "lipsync": f"lipsync --speech {{tone}} -o x.mp4 {TWO_MODELS}",
    "portrait": f"portrait -o x.mp4 --mouth-table {{mouth}} {TWO_MODELS}",
    "avatar": f"avatar {{face}} --listen {{sound}} -o x.mp4 --report x.json --text2unit-path {{text_to_unit}} --voice {{voice}} "
    f"--mouth-table {{mouth}} {TWO_MODELS}",
    "evaluate": "evaluate dubs {cases} --out-dir out --cpu",
    "pairs": "prepare pairs --manifest {cases} --target ko --out-dir new",
    "convert": "convert {published} -o x.safetensors",
    "extract": "extract {sound} --out-dir out --av2unit-path {av2unit} --modalities audio --cpu --workers 1",
}
"""What a row's words are added to; later flags stand for earlier ones. name=value is a line of a file for --config."""
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("", "dbu", "no command called 'dbu'; did you mean dub?"),
    ("", "dub x.mp4 --tgt-lnag ko", "unrecognized option --tgt-lnag; did you mean --tgt-lang?"),
    ("", "dub x.mp4 --precision flot32", "unknown value 'flot32'; did you mean float32?"),
    ("", "manifest mrge", "unknown value 'mrge'; did you mean merge?"),
    ("", "manifest split --aprt speaker", "unrecognized option --aprt; did you mean --apart?"),
    ("", "units --in-vid-path x.mp4", "required: -o/--out"),
    ("", "help lip-sync", "did you mean lipsync?"),
    ("", "dub", "give a video to dub"),
    ("", "dub x.mp4 --out-dir a --out-vid-path b.mp4", "either"),
    ("", "dub {clip} {clip} --out-dir out --to ko --cpu", "one name"),
    ("", "dub {empty} --out-dir out --to ko --cpu", "no video"),
    ("", "dub {nothing} -o x.mp4 --to ko --cpu", "is empty"),
    ("", "dub {sound} -o x.mp4 --to ko --modalities audio --cpu", "talk.wav: the dub of a sound file"),
    ("", "dub {cut_short} -o x.mp4 --to ko --modalities audio --cpu", "cut.mp4"),
    ("dub", "-o {broken}/x.mp4", "cannot be written"),
    ("dub", "-o x.txt", "x.txt"),
    ("dub", "--beam 0", "--beam"),
    ("dub", "--max-target-units -1", "--max-target-units cannot be used; expected 0 or more; found -1"),
    ("dub", "--face red", "--face"),
    ("dub", "--tgt-lang xx", "en, es, fr"),
    ("dub", "--tgt-lang es", "en, ko"),
    ("dub", "--utut-path {av2unit}", "--utut-path"),
    ("dub", "--av2unit-path {unit2av}", "--av2unit-path"),
    ("dub", "--unit2av-path none.pt", "none.pt"),
    ("dub", "speaker_encoder_path={utut}", "speaker encoder"),
    ("dub", "--device toaster", "toaster"),
    ("dub", "--utut-path {published}", "en, es, fr, it, pt"),
    ("dub", "--utut-path {published}", "utut_finetune"),
    ("dub", "--timing free --background mute", "--timing free"),
    ("dub", "pace=[1.1,1.2]", "pace cannot be used; expected above 0, at most 1, 1 or more"),
    ("dub", "pace=[.nan,1.2]", "options.yaml: pace cannot be used"),
    ("dub", "pase=[1,1.2]", "options.yaml: there is no key pase; did you mean pace?"),
    ("dub", "--pace 1 1.2", "--pace is a key of --config"),
    ("dub", "utterance_length=[8,10]", "lengths"),
    ("dub", "--script-in times.txt", "--script-in"),
    ("dub", "--script-in none.json", "none.json"),
    ("dub", "--script-in {broken}", "this is no script"),
    ("dub", "background_audio=none.wav", "none.wav"),
    ("dub", "background_audio={broken}", "broken.json"),
    ("dub", "--start -1", "--start"),
    ("dub", "--start 5 --end 4", "--start"),
    ("dub", "--start 500", "--start lies behind the end"),
    ("dub", "--preview --end 4", "--preview"),
    ("dub", "--work-dir {broken}", "--work-dir"),
    ("dub", "--subtitles both unit2text_path={reader}", "--subtitles cannot be used"),
    ("dub", "--subtitles target unit2text_path={lip_reader}", "reads no units of a dub"),
    ("dub", "--subtitles target unit2text_path={utut}", "this is no unit-to-text model checkpoint"),
    ("dub", "unit2text_path={lip_reader}", "reads no units of a dub"),
    ("dub", "--subtitles target", "subtitles need a unit-to-text model"),
    ("dub", "--embed-subtitles unit2text_path={reader}", "--embed-subtitles belongs to --subtitles"),
    ("dub", "subtitle_font={clip} unit2text_path={reader}", "subtitle_font belongs to --burn-subtitles"),
    ("dub", "--speak-with 'no-such-program {{text}} {{out}}'", "the program of --speak-with is not there"),
    ("dub", "--speak-with 'echo {{text}}'", "says nowhere where the sound is to be written"),
    ("dub", "--speak-with 'echo {{out}}'", "says nowhere what is to be said"),
    ("dub", "keep_sound=true", "keep_sound keeps speech that is given"),
    ("dub", "--speech-in /no/such", "the speech of --speech-in"),
    ("dub", "--recognizer {whisper}", "--recognizer belongs to the cascade"),
    ("dub", "--only-commercial", "--only-commercial: what these models make may not be sold, as far as is known"),
    *(
        (
            "dub",
            f"--background {one}",
            "--background cannot be used; expected keep, mute,",
        )
        for one in ("under:", "under:3", "under:loud", "keep:-3", "quiet")
    ),
    *(
        ("dub", f"tracks={one}", "tracks cannot be used")
        for one in ("original", "dub,song", "original,dub", "dub,original,original")
    ),
    ("dub", "tracks=dub,original --timing free", "--timing free"),
    ("dub", "tracks=dub,background --background mute", "tracks background is of a dub that keeps it"),
    (
        "",
        f"dub {{moves}} -o x.mp4 --from en --to ko --modalities video --voice {{voice}} tracks=dub,original {MODELS}",
        "it has no sound track",
    ),
    ("dub", "'separate_with=true {{in}}'", "says nowhere"),
    ("dub", "'separate_with=nobody-has-this {{in}} {{dir}}'", "is not there"),
    ("dub", "'diarize_with=\"true\"'", "says nowhere"),
    ("dub", "'diarize_with=nobody-has-this {{in}}'", "is not there"),
    ("dub", "--lips mesh", "needs a table"),
    ("dub", "--lips wav2lip", "needs its checkpoint"),
    ("dub", "--lips mesh --mouth-table none.npz", "none.npz"),
    ("dub", "--lips program", "--lips program needs your program; give --lips-with COMMAND"),
    ("dub", "--lips-with 'true {{video}} {{out}}'", "--lips-with says not all that is read and written; expected {video}, {audio}"),
    ("dub", "--lips-with 'nobody-has-this {{video}} {{audio}} {{dir}}'", "is not there"),
    ("dub", "--lips-with true --lips-size 100", "--lips-size cannot be used; expected a multiple of 16 from 64 to 1024; found 100"),
    ("dub", "sign_key=x.pem", "sign"),
    ("dub", "operator='\"a\\nb\"'", "operator"),
    ("dub", "--consent none.yaml", "consent"),
    ("bundle", "--to kr", "from en into ko only; expected into ko; found kr; did you mean ko?"),
    ("bundle", "--to fr", "from en into ko only; expected into ko; found fr; for other languages give checkpoints"),
    ("bundle", "--from english", "expected from en; found english; did you mean en?"),
    ("bundle", "--utut-path {utut}", "missing: --av2unit-path, --unit2av-path; give all of them, or none"),
    ("bundle", "--cascade --recognizer {whisper}", "expected --text-translator DIR; run: netflips models get korean"),
    ("cascade", "--text-translator {clip}", "the text translator must be a folder"),
    ("cascade", "--recognizer {nllb}", "expected a Whisper; found a text translator"),
    ("cascade", "--text-translator {whisper}", "expected a text translator; found a Whisper"),
    ("cascade", "--src-lang fr", "the recognizer small.en has no language 'fr'"),
    ("cascade", "--tgt-lang fr", "the cascade has no language 'fr'"),
    ("cascade", "--timing free", "--timing free belongs to the unit pipeline"),
    ("cascade", "--modalities video", "the cascade hears sound"),
    ("cascade", "--beam 5", "belong to the unit pipeline"),
    ("cascade", "speech_level=합니다체", "speech_level belongs to a language model; add --translate-with http"),
    ("cascade", "speech_level=하오체", "speech_level cannot be used; expected 해요체 or 합니다체 or 해체; found 하오체"),
    ("dub", "speech_level=해체", "speech_level belongs to the cascade"),
    ("cascade", "--translate-with cat", "--translate-with stands in place of --text-translator"),
    ("cascade", "--glossary {times}", "of the glossary is no pair"),
    ("cascade", "--script-in {times}", "utterances[0].text.text cannot be used"),
    ("cascade", "--report {whisper}/config.json", "would overwrite the recognizer"),
    ("say", "'😀 좋아요 ש'", "U+05E9 HEBREW LETTER SHIN) at letter 7 of line 1"),
    ("say", "...", "nothing to say"),
    ("say", "'\u202e안녕'", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ("say", "가" * 10_000, "too long to be said"),
    ("say", "'!? …'", "nothing to say"),
    ("say", "\u200f", "nothing to say"),
    ("say", "hello --to fr", "cannot be read aloud"),
    ("say", "안녕 --text-path x.txt", "given twice"),
    ("say", "--text-path nowhere.txt", "is not there"),
    ("say", "--text-path {voice}", "expected UTF-8"),
    ("", "say 안녕 -o x.wav --text2unit-path {foreign_units} --voice {voice} --cpu", "units of another quantizer"),
    ("say", "안녕 --text2unit-path {unit2av}", "this is no text-to-unit model checkpoint"),
    ("say", "안녕 --text2unit-path {lip_reader}", "this is no text-to-unit model checkpoint"),
    ("say", "안녕 --text2unit-path {japanese}", "has no language 'ko'"),
    ("say", "안녕 --text2unit-path {empty}", "found a folder"),
    ("say", "안녕 --text2unit-path {nothing}", "empty"),
    ("transcribe", "{sound} -o x.doc", "the output's format is not known"),
    ("transcribe", "{sound} {sound}", "say where the text goes"),
    ("transcribe", "{sound} -o x.srt --out-dir out", "either --out"),
    ("transcribe", "{sound} {sound} -o x.srt", "--out is for one file"),
    ("transcribe", "{sound} -o x.srt --from xx", "has no language 'xx'"),
    ("transcribe", "{sound} -o x.srt --from \u202ekr", "has no language"),
    ("transcribe", "{sound} -o x.srt --modalities video", "it has no video track"),
    ("transcribe", "{sound} -o x.srt --modalities smell", "unknown value 'smell'"),
    ("transcribe", "{silent} -o x.srt", "no speech was found in it"),
    ("transcribe", "none.wav -o x.srt", "is not there"),
    ("transcribe", "{broken} -o x.srt", "cannot be"),
    ("transcribe", "{sound} -o x.srt --unit2text-path {av2unit}", "this is no unit-to-text model checkpoint"),
    ("transcribe", "{sound} -o x.srt --unit2text-path {pretrained}", "knows the units of its pre-training only"),
    ("transcribe", "{sound} -o x.srt --unit2text-path {empty}", "the unit-to-text model"),
    ("transcribe", "{sound} -o x.srt --av2unit-path {pretrained}", "this is no unit encoder checkpoint"),
    ("transcribe", "{sound} -o x.srt --beam 0", "beam"),
    ("lip2speech", "{moves} --from xx", "xx"),
    ("lip2speech", "{clip} --from ko", "no face was found"),
    ("lip2speech", "{rests} --from ko", "the lips do not move"),
    ("lip2speech", "{sound} --from ko", "it has sound only"),
    ("lip2speech", "{moves} --out-video x.avi", "this kind of video cannot be written"),
    ("lip2speech", "{moves} --save-mel x.npy", "must end in .npz"),
    ("lip2speech", "no.mp4", "is not there"),
    ("", "lip2speech {moves} -o x.wav --av2unit-path {av2unit} --cpu", "models are given together"),
    ("lipsync", "{moves} --lips wav2lip", "needs its checkpoint"),
    ("lipsync", "{moves} --lips mesh", "needs a table"),
    ("lipsync", "{moves} --lips-with 'true {{audio}}'", "--lips-with says not all that is read and written"),
    ("lipsync", "{moves} --lips-with true --only-commercial", "not stated, because of the program of --lips-with"),
    ("lipsync", "{clip}", "no face was found"),
    ("lipsync", "{moves} --speech {short}", "short.wav: the speech is too short; expected 0.02 s or more"),
    ("lipsync", "{moves} --wav2lip-path {av2unit}", "this is no lip sync generator"),
    ("lipsync", "{clip} -o {clip}", "would overwrite"),
    ("lipsync", "{clip} -o x.avi", "this kind of video cannot be written"),  # told before faces
    ("lipsync", "{moves} --mouth-table {mouth} --only-commercial", "--only-commercial"),
    ("portrait", "{two} --speech {tone}", "there are 2 faces"),
    ("portrait", "{two} --speech {tone} --face 3", "no face number 3"),
    ("portrait", "{none} --speech {tone}", "no face was found"),
    ("portrait", "{side} --speech {tone}", "turned too far"),
    ("portrait", "{small} --speech {tone}", "too small"),
    ("portrait", "{cut} --speech {tone}", "cut off by the edge"),
    ("portrait", "{broken} --speech {tone}", "no image that can be read"),
    ("portrait", "{face} --speech {tone} --motion 2", "--motion cannot be used; expected 0 to 1; found 2.0"),
    ("portrait", "{face} --speech {tone} --text 안녕", "found --speech and --text"),
    ("portrait", "{face} --text '좋아요 ש'", "HEBREW LETTER SHIN"),
    ("portrait", "{face} --text 안녕 --text2unit-path none.safetensors", "the text-to-unit model is not there"),
    ("portrait", "{face} --units none.txt", "the unit file is not there"),
    ("portrait", "{face} --text 안녕 --speed 9", "--speed cannot be used; expected 0.4 to 2.5; found 9.0"),
    ("portrait", "{face} --units {face} -o {face}", "would overwrite the portrait"),
    ("avatar", "--reply-command no-such-program", "the program of --reply-command is not there"),
    ("avatar", "--replies {broken}", "these are no replies"),
    ("avatar", "--blocked {face}", "blocked words"),
    ("avatar", "--speed 9", "--speed cannot be used"),
    ("avatar", "--listen none.wav", "the question is not there"),
    ("avatar", "-o x.txt", "cannot be written"),
    ("avatar", "--report {sound}", "would overwrite the question"),
    ("avatar", "--reply-seconds 0", "--reply-seconds cannot be used; expected above 0"),
    ("avatar", "--recognizer {empty} --unit2text-path {reader}", "leave one out"),
    ("", "avatar {sound} --listen {sound} -o x.mp4 --cpu", "no image that can be read"),
    ("evaluate", "--metrics cer,chrff", "did you mean chrf?"),
    ("evaluate", "--judge nisqa=x.onnx", "--judge cannot be used; expected NAME=PATH, NAME one of mos, speaker"),
    ("evaluate", "--judge mos={empty} --metrics mos", "the judge's folder cannot be used; expected one .onnx file"),
    ("evaluate", "--jobs 0", "--jobs cannot be used; expected 1 or more"),
    ("evaluate", "--recognizer nowhere --metrics cer", "nowhere"),
    ("evaluate", "--recognizer {empty} --metrics cer", "the recognizer cannot be used"),
    ("evaluate", "--unit2text-path {sound} --metrics cer", "talk.wav"),
    ("", "script split {script} 3 -o new.json", "there is no such utterance; expected 1 to 2; found 3"),
    ("", "script split {script} 1 --at 9 -o new.json", "cannot be divided there; expected a time between 2.20 and 3.80 s"),
    ("", "script join {script} 2 -o new.json", "there is no such utterance"),
    ("", "script join {script} 1 -o {script}", "would overwrite the script"),
    ("pairs", "--speak-with 'espeak {{text}}'", "{out}"),
    ("pairs", "--speak-with 'cat {{text}} {{out}}' --recognize-with no-such-program", "--recognize-with is not there"),
    ("extract", "--av2unit-path none.pt", "none.pt"),
    ("extract", "--av2unit-path {sound}", "talk.wav"),
    ("extract", "--no-units", "nothing is asked for"),
    ("extract", "--features two", "--features"),
    ("extract", "--shard-size 0", "--shard-size"),
    ("extract", "--batch-seconds -1", "--batch-seconds"),
    ("extract", "--batch-padding -0.1", "--batch-padding"),
    ("extract", "--modalities smell", "--modalities"),
    ("extract", "--face red", "--face"),
    ("extract", "--with-lips", "--with-lips needs videos"),
    ("extract", "--gpus-per-worker 0", "--gpus-per-worker"),
    ("extract", "--dry-run 0", "--dry-run"),
    ("extract", "--max-failures -1", "--max-failures"),
    ("", "extract nowhere --out-dir out --cpu", "no such input"),
    ("convert", "-o x.pt", "must end in .safetensors"),
    ("convert", "--kind renderer", "this is no renderer checkpoint"),
    ("", "convert {text_to_unit} --to transformers -o x", "--to hub writes a folder of any model"),
    ("convert", "--to hub -o x.tar", "--to hub writes a folder"),
    ("convert", "--to hub -o {nllb}", "another model lies there"),
    ("convert", "--add-vocoder ko", "takes LANGUAGE=PATH"),
    ("convert", "--add-vocoder ko=absent", "this is no renderer checkpoint"),
)
FRAME, SOUND = "this is a still image; expected a video", "it has no sound track"
NO_VIDEO = {
    "dub {} -o o.mp4 --cpu": FRAME,
    "dub {} -o o.mp4 --timing source --cpu": FRAME,
    f"{LINES['dub']} --voice {{}}": SOUND,
    f"{LINES['dub']} --timing source background_audio={{}}": SOUND,
    f"{LINES['dub']} --modalities video --in-lip-path {{}}": FRAME,
    "units {} -o o.txt --cpu": SOUND,
    "units {} -o o.txt --modalities video --cpu": FRAME,
    "render --in-unit-path {units} --in-vid-path {} --out-vid-path o.mp4 --cpu": FRAME,
    "speak --in-unit-path {units} --voice {} --out o.wav --cpu": SOUND,
    "say 안녕 --voice {} --out o.wav --cpu": SOUND,
    "transcribe {} --out o.srt --cpu": FRAME,
    "transcribe {} --out o.srt --modalities audio --cpu": SOUND,
    "transcribe {} --out o.srt --modalities video --cpu": FRAME,
    "lip2speech {} --out o.wav --from ko --cpu": "this is a still image, which says nothing",
    "lipsync {} --speech {sound} --out-vid-path o.mp4 --cpu": FRAME,
    "lipsync {moves} --speech {} --out-vid-path o.mp4 --cpu": SOUND,
    "evaluate dub {} --source {moves} --out-dir o --cpu": "none.png: a still image (PNG)",
    "evaluate dub {moves} --source {} --out-dir o --cpu": FRAME,
}
"""Lines with a place for what is no video: what they say of a frame."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, paths: ModelPaths, parity_dir: Path, reader: Path) -> dict[str, Path]:
    """What the lines name: models, media and texts, some of which are no such things."""
    at = tmp_path_factory.mktemp("files")
    write_clip(at / "clip.mp4", talk([0.2, 1.6, 0.2]))
    write_portraits(at)
    for name, sound in {"sound": talk([0.5, 2.0, 0.5]), "silent": silence(2.0), "short": np.full(160, 0.1)}.items():
        write_speech(at / f"{'talk' if name == 'sound' else name}.wav", sound.astype(np.float32))
    write_speech(at / "tone.wav", np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32))
    for name, opening in (("rests", 0.0), ("moves", 0.5)):
        with VideoWriter(at / f"{name}.mp4", 160, 160, 20, preset="ultrafast") as writer:
            for k in range(20):
                writer.write_rgb(draw(head_of(905), Pose(scale=0.6), MouthShape(opening * (k % 5) / 4, 0.0), 160))
    np.save(at / "voice.npy", np.full(256, 1 / 16, np.float32))
    open_mouth().save(at / "mouth.npz")
    (at / "empty").mkdir()
    (at / "nothing.safetensors").write_bytes(b"")
    (at / "cut.mp4").write_bytes((at / "clip.mp4").read_bytes()[: (at / "clip.mp4").stat().st_size // 2])
    (at / "text.mp4").write_text("no video\n")
    (at / "units.txt").write_text("1 2 3\n")
    (at / "broken.json").write_text("[[1, 3], [2, 4]]")
    row = {"place": {"start_s": 0.5, "end_s": 1.5}, "text": {"text": 7}}
    (at / "times.json").write_text(json.dumps({"format": FORMAT, "utterances": [row]}))
    first = Utterance(1, Interval(2.0, 4.0), text=Text("Take care. See you.", "en"))
    write_script(at / "script.json", Script(utterances=(first, Utterance(2, Interval(5.0, 6.0)))))
    case = {"id": "a", "source": "tone.wav", "dub": "talk.wav", "reference_text": "가"}
    (at / "cases.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")
    own = {one: at / f"{one}.mp4" for one in ("clip", "rests", "moves")} | {
        one: at / f"{one}.wav" for one in ("silent", "short", "tone")
    }
    own |= {one: at / f"{one}.json" for one in ("broken", "times", "script")}
    own |= {one: at / f"{one}.png" for one in ("face", "two", "none", "side", "small", "cut")}
    return own | {
        "av2unit": parity_dir / "mavhubert.pt", "utut": parity_dir / "utut_ko.pt", "unit2av": parity_dir / "unit2av_renderer.pt",
        "published": parity_dir / "utut.pt", "lip_reader": parity_dir / "unit2text" / "finetuned.pt", "reader": reader,
        "pretrained": parity_dir / "unit2text" / "unit_pretrained.pt", "voice": at / "voice.npy", "mouth": at / "mouth.npz",
        "sound": at / "talk.wav", "empty": at / "empty", "nothing": at / "nothing.safetensors",
        "units": at / "units.txt", "cases": at / "cases.jsonl", "text": at / "text.mp4", "cut_short": at / "cut.mp4",
        "text_to_unit": write_random_text_to_unit(at / "text_to_unit.safetensors"),
        "japanese": write_random_text_to_unit(at / "japanese.safetensors", languages=("ja",)),
        "foreign_units": write_random_text_to_unit(at / "foreign.safetensors", vocabulary="sha256:another"),
        "whisper": write_whisper(at / "small.en", "the bus stops"), "nllb": write_translator(at / "nllb", {"bus": "버스"}),
    }  # fmt: skip


@pytest.fixture
def refused(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Run a line in an empty folder; returns its complaint, and leaves what it read as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # as most users have it: threads are chosen by the size of the files
    before = {path: path.stat().st_mtime_ns for path in files.values()}

    def run(line: str) -> str:
        try:
            words = shlex.split(line.format_map(files))
            keys = dict(word.split("=", 1) for word in words if words[0] == "dub" and re.match("[a-z0-9_]+=", word))
            read = config(**{key: yaml.safe_load(value) for key, value in keys.items()}) if keys else []
            code = cli.main([*(word for word in words if word.split("=")[0] not in keys), *read])
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr().err
        (error,) = (one for one in told.splitlines() if ": error: " in one)
        assert (code, "Traceback" in told, list(tmp_path.iterdir())) == (2, False, [])
        assert error.startswith("netflips")
        assert {path: path.stat().st_mtime_ns for path in before} == before
        return error

    return run


@pytest.mark.parametrize(("command", "words", "said"), REFUSED, ids=lambda one: one[:60])
def test_what_cannot_be_done_is_one_line(command: str, words: str, said: str, refused: Callable[[str], str]) -> None:
    assert said in refused(f"{LINES[command]} {words}")


@pytest.mark.parametrize(("line", "said"), NO_VIDEO.items())
def test_a_frame_and_a_text_are_no_video(line: str, said: str, refused: Callable[[str], str]) -> None:
    assert said in refused(line.replace("{}", "{none}"))
    assert "text.mp4: it cannot be read as video or sound" in refused(line.replace("{}", "{text}"))
