"""The demo's material: it follows from its seed, nothing that is held out gets into it, and labels are those of the phones.

What is done to speech before a head says it. The table of the bundle's mouth, learnt from labels of the material in both
languages.
"""

import io
import re
import tarfile
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from avcore.data.manifest import read_manifest
from avcore.data.unit_store import UnitRow, iter_units, read_units, write_units
from avcore.errors import InputError
from avcore.faces.find import find_faces
from avcore.journal import write_rows
from avcore.media import Frame
from avcore.progress import silent
from avcore.speech.espeak import EspeakVoice, TimedSpeech
from avcore.timeline import frames_to_seconds
from avcore.units import Units
from netflips.cascade.kokoro import PHONES as PHONES_OF_KOREAN
from netflips.cascade.kokoro import NaturalVoice
from netflips.cascade.speakers import syllables_in
from recipes.demo.heads.head import between_pauses
from recipes.demo.material import make, spoken
from recipes.demo.material.drawn import Shot, cut_lips, film, film_lips
from recipes.demo.material.join import join_parts
from recipes.demo.material.make import run_in_chunks
from recipes.demo.material.pairs import pair_rows
from recipes.demo.material.phones import SILENCE, Phones
from recipes.demo.material.spoken import Take, spoken_takes
from recipes.demo.recipe.mouth_table import main
from recipes.demo.voices import phrasebook as phrasebook_module
from recipes.demo.voices.cast import (
    SHIPPED,
    Cast,
    FestivalVoice,
    FliteVoice,
    book_pairs,
    cast,
    held_out_english,
    held_out_pairs,
    training_pairs,
)
from recipes.demo.voices.phrasebook import free_sentences, held_out_free, phrasebook, with_particles
from recipes.demo.voices.styles import read_styles
from tests.refusal import refused
from text2unit.normalise import normalise
from unit2av.lipsync.mesh.table import MouthTable
from unit2unit.model import LENGTH_TAGS
from unit2unit.training.corpus import length_tag

PHONES = Phones(("_:", "a", "m"), {"aa": "a"})


def made_speech(text: str, voice: object) -> TimedSpeech:
    """A tone a letter, 60 ms each, higher for some voices: it stands for a synthesiser."""
    letters = [letter for letter in text.lower() if letter.isalpha()][:12]
    pitch = 1.3 if "f" in getattr(voice, "name", "") else 1.0
    time = np.arange(960) / 16000
    tones = [0.3 * np.sin(2 * np.pi * (200 + 40 * (ord(letter) % 40)) * pitch * time) for letter in letters]
    names = ["a" if letter in "aeiou" else "m" for letter in letters]
    phonemes = tuple((name, 0.06 * place, 0.06 * (place + 1)) for place, name in enumerate(names))
    is_timed = isinstance(voice, EspeakVoice | NaturalVoice)
    return TimedSpeech(np.concatenate(tones).astype(np.float32), 16000, phonemes if is_timed else ())


def test_labels_say_the_middle_of_each_step_and_phones_come_back(tmp_path: Path) -> None:
    units = PHONES.units([("m", 0.0, 0.05), ("aa", 0.05, 0.09)], 6, "en")
    assert units.frames().tolist() == [2, 2, 1, 1, 0, 0]  # 50 ms is the middle of the third step
    assert PHONES.phonemes(units) == [("m", 0.0, 0.04), ("a", 0.04, 0.08), ("_:", 0.08, 0.12)]
    PHONES.write(tmp_path / "phones.json")
    assert Phones.read(tmp_path / "phones.json") == PHONES
    (tmp_path / "phones.json").write_text("[]")
    refused(InputError, "no list of phones", Phones.read, tmp_path / "phones.json")


def test_a_language_can_have_its_own_units_for_shared_phones(tmp_path: Path) -> None:
    settings = {"phones": ["_:", "V", "k"], "alike": {"aa": "V"}, "own_phones": {"ko": ["V"]}}
    phones = Phones.of_material((), settings)
    assert phones.names == ("_:", "V", "k", "ko_V")
    said = [("k", 0.0, 0.02), ("aa", 0.02, 0.04)]
    assert phones.units(said, 2, "en").frames().tolist() == [2, 1]
    assert phones.units(said, 2, "ko").frames().tolist() == [2, 3]
    assert [name for name, _, _ in phones.phonemes(phones.units(said, 2, "ko"))] == ["k", "V"]  # a mouth says both alike
    phones.write(tmp_path / "phones.json")
    read = Phones.read(tmp_path / "phones.json")
    assert read.units(said, 2, "ko") == phones.units(said, 2, "ko")
    assert read.vocabulary != Phones.of_material((), {**settings, "own_phones": {}}).vocabulary


def test_nothing_that_is_held_out_is_planned() -> None:
    pairs = training_pairs()
    takes = spoken_takes(pairs, range(len(pairs)), cast(), 5)
    assert not {take.text for take in takes} & held_out_english()
    assert not {take.text for take in takes} & {pair.korean for pair in held_out_pairs()}
    speakers = {take.speaker for take in takes}
    assert not any(name.endswith(("+m5", "+f5")) or name == "slt" for name in speakers)
    assert {"kal16", "awb", "rms", "ref_en", "ref_ko", "korean"} <= speakers
    settings = cast().settings
    kept_out = {name for shares in settings["held_out"]["natural"] for name in shares} - set(settings["natural"]["styles"])
    for take in takes:
        if isinstance(take.voice, NaturalVoice) and make.is_for_encoder(take.speaker):
            assert not kept_out & {name for name, _ in take.voice.styles}
    assert len({take.id for take in takes}) == len(takes)
    assert cast().unheard_speaker == FliteVoice("slt")
    assert cast().unheard_head(0) >= cast().settings["heads"]


def test_every_held_out_word_occurs_elsewhere() -> None:
    known = {filling for pair in training_pairs() for filling in pair.fillings}
    assert all(filling in known for pair in held_out_pairs() for filling in pair.fillings)
    assert {pair.english for pair in held_out_pairs()} <= held_out_english()
    assert len(held_out_pairs()) >= 300
    assert not set(held_out_free()) & set(free_sentences(2500, 0))


def test_a_take_depends_on_seed_and_sentence_half_end_without_silence() -> None:
    pairs = training_pairs()[:3]
    takes = spoken_takes(pairs, range(3), cast(), 1)
    assert takes == spoken_takes(pairs, range(3), cast(), 1) != spoken_takes(pairs, range(3), cast(), 2)
    assert spoken_takes(pairs[2:], [2], cast(), 1) == [take for take in takes if take.sentence == 2]
    pairs = training_pairs()[:100]
    ends = np.array([take.silence for take in spoken_takes(pairs, range(100), cast(), 1)])
    assert ends.shape[0] > 1000
    assert np.all(np.abs((ends == 0).mean(axis=0) - 0.5) < 0.05)  # three times what chance moves it by
    assert np.corrcoef(ends.T)[0, 1] < 0.1
    assert set(range(13)) < set(ends.ravel().tolist()) <= set(range(76))
    assert 0.03 < (ends > 12).mean() < 0.07  # some wait for longer than any pause in speech


def test_the_shipped_cast_has_more_of_all_and_keeps_the_same_held_out() -> None:
    people, own = cast(SHIPPED), cast()
    assert people.settings["held_out"] == own.settings["held_out"]
    pairs = [pair for pair in book_pairs(people) if pair.english not in held_out_english()]
    takes = spoken_takes(pairs[:200], range(200), people, 0)
    assert not {name for name in ("jf_nezumi",) if name in people.settings["natural"]["styles"]}
    assert not any(take.speaker == "slt" or take.speaker.endswith(("+m5", "+f5")) for take in takes)
    assert {"kal_diphone", "ked_diphone"} <= {take.speaker for take in takes if isinstance(take.voice, FestivalVoice)}
    assert {take.rate for take in takes if isinstance(take.voice, NaturalVoice)} == {24_000}
    texts = free_sentences(people.settings["korean"]["free"], 0, people.settings["korean"]["texts"])
    assert len(texts) + len(pairs) >= 4000
    unseen = Path(phrasebook_module.__file__).with_name("unseen_korean.txt").read_text(encoding="utf-8").splitlines()
    assert not ({*held_out_free(), *map(normalise, unseen)} & set(texts))
    ends = np.array([steps for take in takes for steps in take.silence])
    assert (ends >= 25).mean() > 0.2  # half a second and more


def test_a_take_at_24_khz_has_whole_steps_and_breathes_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "say", made_speech)
    voice = NaturalVoice((("jm_kumo", 1.0),), language="ko")
    take = Take("s0_ko_0", 0, "ko", "abcde", voice, "korean", (40, 50), None, 3, rate=24_000, breaths=(True, False))
    (row,) = spoken.write_takes(tmp_path, [take])
    with wave.open(str(tmp_path / row["audio"])) as sound:
        assert (sound.getframerate(), sound.getnframes() * 2) == (24_000, row["samples"] * 3)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    assert row["samples"] % 320 == 0
    assert 0 < np.abs(samples[: 40 * 480]).max() < 2000
    assert not samples[-50 * 480 :].any()


def test_parts_have_all_sentences_once_and_join_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "say", made_speech)
    people = Cast({**cast().settings, "phones": [*PHONES_OF_KOREAN, SILENCE, "a-", "a", "m"], "drawn": {"en": 2, "ko": 0}})
    parts = [tmp_path / "1", tmp_path / "2"]
    for number, folder in enumerate(parts):
        make.make_material(folder, 0, 4, 0, silent, people, make.Part(number, 2))
    make.make_material(tmp_path / "3", 0, 4, 0, silent, people, make.Part(0, 1, ("ko",)))
    own = [{entry.text for entry in read_manifest(part / "texts.jsonl").entries} for part in (*parts, tmp_path / "3")]
    assert own[0]
    assert own[1]
    assert not own[0] & own[1]
    assert own[2] <= own[0] | own[1]
    assert join_parts(parts, tmp_path / "all") == sum(len(read_units(part / "labels/clean.units.jsonl")) for part in parts)
    english = {entry.speaker for entry in read_manifest(tmp_path / "all" / "vocoder_en_lips.jsonl").entries}
    assert english
    assert not english & {"kal16", "awb", "rms"}
    assert join_parts([tmp_path / "3"], tmp_path / "korean") > 0  # a part of one language: some of its manifests are empty
    joined = read_manifest(tmp_path / "all" / "source_lips.jsonl")
    found = [joined.path(entry, what) for entry in joined.entries for what in ("audio", "lips")]
    assert len(joined.entries) == 2
    assert all(path.is_file() for path in found if path is not None)
    Phones(("a",), {}).write(parts[0] / "phones.json")
    refused(InputError, "not the same", join_parts, parts, tmp_path / "all")


def test_styles_are_read_from_their_package_and_no_other(tmp_path: Path) -> None:
    package = tmp_path / "voices.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for name, rows in (("package/voices/af_x.bin", 3), ("package/other/af_y.bin", 2)):
            content = np.arange(rows * 256, dtype=np.float32).tobytes()
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    assert {name: style.shape for name, style in read_styles(package).items()} == {"af_x": (3, 256)}
    package.write_bytes(b"no archive")
    refused(InputError, "no package of voices", read_styles, package)


def test_noise_is_as_loud_as_said() -> None:
    speech = (0.2 * np.sin(np.arange(16000) * 0.1)).astype(np.float32)
    noisy = spoken.add_noise(speech, 6.0, np.random.default_rng(0))
    ratio = 10 * np.log10(np.square(speech).mean() / np.square(noisy - speech).mean())
    assert ratio == pytest.approx(6.0, abs=0.1)


def _timed(*names: str) -> tuple[tuple[str, float, float], ...]:
    return tuple((name, 0.12 * place, 0.12 * (place + 1)) for place, name in enumerate(names))


def test_drawn_lips_are_those_that_the_tracker_cuts() -> None:
    frames, landmarks = film(Shot("x", "en", _timed("m", "A:", "m", "u:", "i:", "A:"), 18, 3, 11, False))
    drawn = cut_lips(frames, landmarks).astype(float)
    shown = [Frame(frame, frames_to_seconds(number), number) for number, frame in enumerate(frames)]
    found = find_faces(shown, "largest").lips.astype(float)
    agreement = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(drawn, found, strict=True)]
    assert min(agreement) > 0.9


def test_lips_alone_are_those_of_the_whole_frame() -> None:
    for head in (3, 4, 5):
        shot = Shot("x", "en", _timed("m", "A:", "m", "u:", "i:", "A:"), 18, head, head, False)
        difference = np.abs(film_lips(shot).astype(int) - cut_lips(*film(shot)))
        assert difference[:, 4:-4, 4:-4].max() <= 8
        assert (difference > 1).mean() < 1e-3


def test_a_face_s_reference_is_held_alike_and_says_something_else() -> None:
    shot = Shot("x", "ko", _timed("m", "a", "m", "m", "m", "m"), 18, 3, 11, True)
    own, other = (np.stack(film(shot, later)[0]).astype(float) for later in (0, 9))
    difference = np.abs(own - other).mean(axis=(0, 3))
    assert difference[:80].max() < 1
    assert difference[80:].max() > 5
    rolled = np.abs(own - other).mean(axis=(1, 2, 3))
    assert rolled[[5, 14]].min() > 5 * np.median(rolled)


def test_chunks_that_are_done_are_not_done_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def do(folder: Path, jobs: list[int]) -> list[dict[str, int]]:
        calls.extend(jobs)
        return [{"job": job} for job in jobs]

    first = list(run_in_chunks([*range(120)], do, tmp_path, "count", 0, silent))
    assert [row["job"] for row in first] == list(range(120)) == calls
    assert list(run_in_chunks([*range(120)], do, tmp_path, "count", 0, silent)) == first
    assert len(calls) == 120
    list(run_in_chunks([*range(100), 7], do, tmp_path, "count", 0, silent))
    assert calls[120:] == [7]


def test_material_is_what_trainers_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "say", made_speech)
    monkeypatch.setitem(cast().settings, "drawn", {"en": 2, "ko": 2})  # type: ignore[arg-type]
    monkeypatch.setitem(cast().settings, "faces", {"en": 1, "ko": 1})  # type: ignore[arg-type]
    monkeypatch.setitem(cast().settings["korean"], "sentences", 1.0)  # of two sentences none would be chosen otherwise
    make.make_material(tmp_path, 0, 2, 0, silent)
    labels, phones = read_units(tmp_path / "labels" / "clean.units.jsonl"), Phones.read(tmp_path / "phones.json")
    for name in ("encoder", "encoder_valid", "vocoder", "faces", "source", "source_lips"):
        manifest = read_manifest(tmp_path / f"{name}.jsonl")
        for entry in manifest.entries:
            assert all(path.is_file() for what in ("audio", "lips", "video", "reference") if (path := manifest.path(entry, what)))
            with wave.open(str(manifest.path(entry, "audio"))) as sound:
                assert entry.samples == sound.getnframes()
    faces = read_manifest(tmp_path / "faces.jsonl").entries
    assert all(entry.reference for entry in faces)
    heads = sorted(int(str(entry.extra["head"])) for entry in faces)
    assert sorted(entry.language for entry in faces) == ["en", "ko"]
    assert len(heads) == 2
    assert heads[0] < cast().settings["heads"] <= heads[1] < cast().settings["held_out"]["first_head"]
    trained = {entry.id for entry in read_manifest(tmp_path / "encoder.jsonl").entries}
    assert not trained & {entry.id for entry in read_manifest(tmp_path / "encoder_valid.jsonl").entries}
    assert trained <= set(labels)
    assert not [name for name in labels if "_n" in name]
    lips = read_manifest(tmp_path / "source_lips.jsonl").entries
    assert len(lips) == 2
    assert np.load(tmp_path / lips[0].lips).shape == (lips[0].frames, 96, 96)
    references = list(iter_units(tmp_path / "references.jsonl"))
    assert {row.extra["translation"] in held_out_english() for row in references} == {False, True}
    assert len(references) == 5  # four sentences, and that of the clip
    assert all(row.units.ids[0] != phones.silence != row.units.ids[-1] for row in references)
    texts = read_manifest(tmp_path / "texts.jsonl").entries
    assert trained <= {entry.id for entry in texts}
    assert not any(entry.speaker in ("ref_ko", "korean_reference") for entry in read_manifest(tmp_path / "encoder.jsonl").entries)
    assert {"s", "f"} <= {entry.id[0] for entry in texts if entry.speaker == "ref_ko"}
    assert set(PHONES_OF_KOREAN) <= set(phones.names)


def test_pairs_have_the_korean_of_their_sentence_and_no_held_out_one(tmp_path: Path) -> None:
    seen, unseen = training_pairs()[0], held_out_pairs()[0]
    takes = [
        Take(f"s{number:04d}_en_0", number, "en", pair.english, EspeakVoice("en-us"), "ref_en", (0, 0), None, 0)
        for number, pair in enumerate((seen, unseen))
    ]
    write_rows(tmp_path / "source.jsonl", [{"id": take.id, "audio": take.audio, "text": take.text} for take in takes])
    told = ({"text": pair.korean, "translation": pair.english} for pair in (seen, unseen))
    references = [UnitRow(f"s{k:04d}", Units.from_frames([9, k, 9, 5, 5, 9]), one) for k, one in enumerate(told)]
    write_units(tmp_path / "references.jsonl", references)
    Phones(("a",) * 9 + (SILENCE,), {}).write(tmp_path / "phones.json")
    write_units(tmp_path / "heard.jsonl", [UnitRow("s0000_en_0", Units.from_frames([1, 2]), {})])
    text_to_unit = _FormTextToUnit(dict(seen.forms))
    (english, korean), *others = pair_rows(tmp_path, [tmp_path / "heard.jsonl"], text_to_unit)
    assert (english.id, korean.id) == ("s0000_en_0_heard",) * 2
    assert (english.units.ids.tolist(), korean.units.ids.tolist()) == ([1, 2], [0, 9, 5])  # silence at the ends is chance
    assert english.units.num_steps == korean.units.num_steps == 4  # at whichever pace it was said
    ((english, korean),) = others  # the long one is no longer than the natural one, whose tag it would have
    assert (english.id, english.units.ids.tolist()) == ("s0000_en_0_heard_short", [1, 2])
    assert (korean.units.ids.tolist(), korean.units.num_steps) == ([5], 1)
    assert length_tag(korean.units.num_steps / english.units.num_steps) == LENGTH_TAGS["short"]
    write_units(tmp_path / "heard.jsonl", [UnitRow("s0001_en_0", Units.from_frames([1, 2]), {})])
    refused(InputError, "held-out", list, pair_rows(tmp_path, [tmp_path / "heard.jsonl"], text_to_unit))


class _FormTextToUnit:
    """Knows a sentence's two other forms alone."""

    def __init__(self, forms: dict[str, str]) -> None:
        self._units = {forms["short"]: [9, 5], forms["long"]: [5, 6, 5]}

    def units_of(self, text: str, language: str) -> Units:
        return Units(np.array(self._units[text]), language=language)


def test_pauses_shift_the_phonemes_with_the_sound() -> None:
    speech = TimedSpeech(np.ones(800, np.float32), 8000, (("a", 0.0, 0.04), ("_:", 0.04, 0.1)))
    paused = between_pauses(speech, 0.05)
    assert len(paused.samples) == 400 + 800 + 400
    np.testing.assert_array_equal(np.flatnonzero(paused.samples), np.arange(400, 1200))
    assert [name for name, _, _ in paused.phonemes] == ["a", "_:"]
    assert np.ravel([times for _, *times in paused.phonemes]) == pytest.approx([0.05, 0.09, 0.09, 0.15])


def test_a_table_is_learnt_from_the_labels_of_reference_takes(tmp_path: Path) -> None:
    phones = Phones.found_in(["A:", "m"], {})
    phones.write(tmp_path / "phones.json")
    numbers = {name: number for number, name in enumerate(phones.names)}
    said = {"s0000_en_0": ["_:", "m", "A:"] * 30, "s0001_ko_0": ["_:", "p*", "a-"] * 30, "s0001_ko_1": ["_:"]}
    frames = {name: np.repeat([numbers[one] for one in own], 6) for name, own in said.items()}
    rows = [UnitRow(name, Units.from_frames(own, "", phones.vocabulary), {}) for name, own in frames.items()]
    (tmp_path / "labels").mkdir()
    write_units(tmp_path / "labels" / "clean.units.jsonl", rows)
    out = tmp_path / "mouth.npz"
    assert main([str(tmp_path / "phones.json"), str(out), "--quiet"]) == 0
    table = MouthTable.load(out)
    assert (table.num_units, table.vocabulary) == (len(phones.names), phones.vocabulary)


def test_particles_follow_the_syllable_before() -> None:
    said = "은행이|학교가|서울로|공항으로|학교로|원이에요|커피와 물을|초록색으로도"
    text = (
        "은행(이/가)|학교(이/가)|서울(으로/로)|공항(으로/로)|학교(으로/로)|원(이에요/예요)|커피(과/와) 물(을/를)|초록색(으로/로)도"
    )
    assert "|".join(map(with_particles, text.split("|"))) == said
    with pytest.raises(InputError, match="nothing to say"):
        with_particles("…(이/가)")


def test_all_sentences_are_whole_and_different() -> None:
    pairs = phrasebook().all_pairs()
    assert len(pairs) >= 2000
    assert len({pair.english for pair in pairs}) == len(pairs) == len({pair.korean for pair in pairs})
    for pair in pairs:
        assert re.fullmatch(r"[A-Z][A-Za-z ,.'?]*[.?]", pair.english), pair.english
        assert re.fullmatch(r"[가-힣][가-힣 ,.?]*[.?]", pair.korean), pair.korean
        assert pair.korean.rstrip(".?").endswith(("요", "다")), pair.korean


def test_every_sentence_is_said_shorter_and_longer() -> None:
    """By a tenth at least, counted in syllables over a template's sentences; the words of its slots are in all forms."""
    book = phrasebook()
    for template in range(len(book.templates)):
        pairs = list(book.pairs_of(template))
        forms = ((dict(pair.forms)["short"], pair.korean, dict(pair.forms)["long"]) for pair in pairs)
        short, usual, long = np.array([[syllables_in(text) for text in texts] for texts in forms]).mean(axis=0)
        assert short < 0.9 * usual, (book.forms[template], short / usual)
        assert long > 1.1 * usual, (book.forms[template], long / usual)
        for pair in pairs:
            for _, text in pair.forms:
                assert re.fullmatch(r"[가-힣][가-힣 ,.?]*[.?]", text), text
                assert text.rstrip(".?").endswith(("요", "다")), text


def test_every_filling_is_learnt_in_templates_and_kept_out_of_one() -> None:
    book = phrasebook()
    sentences = book.sentences()
    parts = ([pair for pair in sentences if book.is_held_out(pair) == is_out] for is_out in (False, True))
    learnt, kept_out = ({(pair.template, *filling) for pair in part for filling in pair.fillings} for part in parts)
    places = Counter(tuple(filling) for _, *filling in learnt)
    assert all(places[slot, number] >= 4 for slot, pairs in book.slots.items() for number in range(len(pairs)))
    assert {pair.template for pair in sentences if book.is_held_out(pair)} == set(range(len(book.templates)))
    for pair in sentences:
        if book.is_held_out(pair):
            assert any((pair.template, *filling) not in learnt for filling in pair.fillings), pair
    assert len(kept_out) > 300
    assert max(Counter(pair.template for pair in sentences).values()) <= 51
