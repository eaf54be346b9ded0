from pathlib import Path

from avcore.faces.find import find_faces
from avcore.media import FrameSource, probe, read_speech
from recipes.demo.evaluate.material import drawn_sentence, plan_clip, write_clip
from recipes.demo.voices.cast import cast, held_out_english
from recipes.demo.voices.phrasebook import phrasebook


def test_plans_keep_to_what_training_never_hears_or_sees() -> None:
    held_out = cast().settings["held_out"]
    for index in range(40):
        for kind in ("seen", "held_out", "new_faces", "speaker"):
            plan = plan_clip(kind, index)
            assert (plan.pair.english in held_out_english()) == (kind != "seen")
            assert (plan.head >= held_out["first_head"]) == (kind == "new_faces")
            if kind == "speaker":
                assert plan.voice == cast().unheard_speaker
            else:
                assert plan.voice.name.partition("+")[2] in held_out["variants"]
            assert (abs(plan.around.yaw) > 0.25) == (kind == "new_faces")


def test_korean_clips_are_said_in_korean_by_voices_never_heard() -> None:
    plans = [plan_clip("korean", index) for index in range(10)]
    assert {plan.voice.styles for plan in plans} == set(cast().unheard_styles)
    assert all(plan.text == plan.pair.korean and plan.language == "ko" for plan in plans)
    assert all(plan.pair.english in held_out_english() for plan in plans)
    assert plan_clip("held_out", 0).text == drawn_sentence("held_out", 0).english


def test_a_number_alone_makes_a_plan() -> None:
    assert plan_clip("held_out", 7) == plan_clip("held_out", 7) != plan_clip("held_out", 8)
    sentences = [drawn_sentence("held_out", index).english for index in range(200)]
    assert len(set(sentences)) == 200


def test_all_templates_weigh_alike() -> None:
    drawn = [drawn_sentence("held_out", index) for index in range(300)]
    templates = [pair.template for pair in drawn[:100]]
    assert len(set(templates)) == len(templates)
    assert sum(phrasebook().is_held_out(pair) for pair in drawn) > 0.8 * len(drawn)


def test_a_clip_holds_sound_and_video_and_no_word_of_what_is_said(tmp_path: Path) -> None:
    plan, path = plan_clip("new_faces", 1), tmp_path / "clip.mp4"
    write_clip(path, plan, 160)
    content = path.read_bytes()

    assert probe(path).comment == ""
    for text in (plan.pair.english, plan.pair.korean):
        assert text.encode() not in content
        assert text.encode("utf-16-le") not in content
    assert len(FrameSource(path)) > 10
    assert abs(read_speech(path)).max() > 0.05
    source = FrameSource(path)
    assert find_faces(source, "auto", None, total=len(source)).num_found == len(source)


def test_a_speaker_whose_phonemes_are_not_timed_moves_the_mouth_too(tmp_path: Path) -> None:
    plan, path = plan_clip("speaker", 0), tmp_path / "clip.mp4"
    write_clip(path, plan, 160)
    source = FrameSource(path)
    face = find_faces(source, "auto", None, total=len(source))

    openings = [frame.opening for frame in face.frames if frame is not None]
    assert max(openings) - min(openings) > 0.04
