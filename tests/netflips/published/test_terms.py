"""Licences that add up: what a dub may be used for is what all of its models allow."""

import hashlib
from pathlib import Path

import pytest

from avcore.checkpoints.bundle import find_bundle
from avcore.errors import UsageError
from avcore.media import probe
from netflips.cascade.speakers import ESPEAK
from netflips.dubbing.job import Job
from netflips.dubbing.licences import terms_of_dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.roads.units import UnitRoad
from netflips.model_paths import ModelPaths, RunOptions, bundle_paths
from netflips.models import models_when_asked
from netflips.published.catalogue import SHIPPED, Licence, read_catalogue
from netflips.published.terms import Terms, may_be_sold, require_commercial, terms_of
from tests.netflips.conftest import write_clip
from unit2av.lipsync.backend import LipSyncChoice


@pytest.fixture(autouse=True)
def _no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path / "kept"))


def file(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_weakest_licence_counts_and_each_says_if_it_lets_sell() -> None:
    free, silent, closed = (Terms("x", f"{word}.pt", "", word) for word in ("yes", "not stated", "no"))
    assert may_be_sold([free, free]) == "yes"
    assert may_be_sold([free, silent, silent]) == "not stated, because of not stated.pt"
    assert may_be_sold([free, silent, closed]) == "no, because of no.pt"
    require_commercial([free])
    for terms in ([silent], [closed]):
        with pytest.raises(UsageError, match=r"--only-commercial.*because of"):
            require_commercial(terms)
    listed = read_catalogue(SHIPPED)
    said = {model.licence.key: model.licence.commercial for model in listed.models.values()}
    assert said == {
        "av-hubert": "no", "av2av": "not stated", "wav2lip": "no", "syncnet": "not stated", "e-mvsr": "not stated", "mit": "yes",
        "cc-by-nc-4.0": "no", "cc-by-4.0": "yes",
    }  # fmt: skip
    assert {one.commercial for one in listed.built_in.values()} == {"yes"}


def test_a_model_is_known_by_folder_digest_or_restricted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terms_of("x", file(tmp_path / "kept" / "encoder" / "any.pt"))[3] == "no"
    assert terms_of("x", file(tmp_path / "elsewhere" / "mavhubert_large_noise.pt"))[1:] == (
        "mavhubert_large_noise.pt", "AV-HuBERT's licence (Meta)", "no",
    )  # fmt: skip
    assert terms_of("x", file(tmp_path / "own.pt"))[3] == "not stated"
    file(tmp_path / "kept" / "whisper-small" / "model.bin")
    assert terms_of("x", tmp_path / "kept" / "whisper-small")[1:] == ("whisper-small", "MIT", "yes")
    # A name gives no file a licence that it has not: only the published content does.
    assert terms_of("x", file(tmp_path / "somewhere" / "model.bin").parent)[3] == "not stated"
    small = "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1"
    text = SHIPPED.read_text().replace(small, hashlib.sha256(b"x").hexdigest())
    monkeypatch.setenv("NETFLIPS_CATALOGUE", str(file(tmp_path / "list.yaml", text.encode())))
    assert terms_of("x", tmp_path / "somewhere")[2:] == ("MIT", "yes")


def test_a_dub_adds_up_all_that_it_is_made_with(tmp_path: Path) -> None:
    bundle = find_bundle()
    assert bundle is not None
    paths = bundle_paths(bundle)
    assert may_be_sold(terms_of_dub(paths, DubOptions(), "ko")) == "yes"
    told = terms_of_dub(paths, DubOptions(lips=LipSyncChoice("wav2lip", {"wav2lip_path": file(tmp_path / "wav2lip.pth")})), "ko")
    assert may_be_sold(told) == "no, because of wav2lip.pth"
    (tmp_path / "script.json").write_text('{"format": "netflips-script-3"}')
    given = {"script_in": tmp_path / "script.json"}
    assert may_be_sold(terms_of_dub(paths, DubOptions(**given, speak_with=ESPEAK), "ko")) == "yes"
    told = terms_of_dub(paths, DubOptions(**given, speak_with="cat {text} {out}"), "ko")
    assert may_be_sold(told) == "not stated, because of the program of --speak-with"
    told = terms_of_dub(paths, DubOptions(lips=LipSyncChoice(values={"lips_with": "cat"})), "ko")
    assert may_be_sold(told) == "not stated, because of the program of --lips-with"
    names = "mavhubert_large_noise.pt", "utut_sts_ft.pt", "unit_av_renderer_withKO.pt"
    told = terms_of_dub(ModelPaths(*(file(tmp_path / name) for name in names)), DubOptions(), "ko")
    assert {one.name: one.commercial for one in told} == {
        "mavhubert_large_noise.pt": "no", "utut_sts_ft.pt": "not stated", "unit_av_renderer_withKO.pt": "not stated",
        "resemblyzer's encoder": "yes",
    }  # fmt: skip


def test_lips_of_any_command_count(tmp_path: Path) -> None:
    choice = LipSyncChoice("wav2lip", {"wav2lip_path": file(tmp_path / "wav2lip.pth")})
    info = probe(write_clip(tmp_path / "x.mp4", None, 3))
    models = models_when_asked(ModelPaths.of({}, None, {}), RunOptions())
    with Job.for_given_audio(info, tmp_path / "out.mp4", models, UnitRoad(), DubOptions(lips=choice), {}, lambda *_: None) as job:
        assert may_be_sold(job.provenance.terms) == "no, because of wav2lip.pth"


def test_a_list_of_ones_own_may_leave_it_out(tmp_path: Path) -> None:
    text = "licences: {a: {title: A, allows: b}}\nmodels: {}\n"
    assert read_catalogue(file(tmp_path / "list.yaml", text.encode())).models == {}
    assert Licence("a", "A", "b").commercial == "not stated"
    with pytest.raises(Exception, match="no list of models"):
        read_catalogue(file(tmp_path / "odd.yaml", text.replace("allows: b", "allows: b, commercial: maybe").encode()))
