"""Signed manifests: they hold for the file that was signed and for no other, and nothing in them is believed or run."""

import json
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, NetflipsError, OutputError, UsageError
from avcore.media import FrameSource, VideoWriter, read_speech, write_speech
from netflips import cli
from netflips.provenance import manifest
from netflips.provenance.manifest import COMPOSITE, MADE, Signing, machine_file, machine_key, read_key, read_provenance, sidecar
from netflips.provenance.options import MarkFlags
from tests.netflips.conftest import moving_frame, write_clip
from tests.refusal import refused

c2pa = pytest.importorskip("c2pa")

_ACTIONS = ({"action": "c2pa.dubbed", "digitalSourceType": COMPOSITE},)
_MARKUP = "<script>alert(1)</script>\x1b[31m\n\u202e"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "plain.mp4", np.zeros(8000, np.float32), 12)


def signed(plain: Path, out: Path, facts: dict[str, object] | None = None, signing: Signing | None = None) -> Path:
    signing = signing or Signing.of(MarkFlags(sign=True))
    signing.sign(_ACTIONS, facts or {"may_be_sold": "yes"}, out)(plain, out)
    return out


def info(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """The lines of `netflips info` on provenance."""
    capsys.readouterr()
    assert cli.main(["info", str(path), *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    return lines[next(place for place, line in enumerate(lines) if line.startswith("provenance")) :]


def box(data: bytes) -> tuple[int, int]:
    """Where a manifest begins in an MP4, and how long it is."""
    place = data.index(bytes.fromhex("d8fec3d61b0e483c92975828877ec481")) - 8
    return place, struct.unpack(">I", data[place : place + 4])[0]


def test_video_and_sound_of_a_signed_file_are_those_of_before(plain: Path, tmp_path: Path) -> None:
    out = signed(plain, tmp_path / "out.mp4")
    before, after = ([one.rgb.tobytes() for one in FrameSource(path)] for path in (plain, out))
    assert before == after
    assert np.array_equal(read_speech(plain), read_speech(out))
    assert 0 < out.stat().st_size - plain.stat().st_size < 10_000
    found = read_provenance(out)
    assert (found.state, found.is_ours, found.is_trusted) == ("valid", True, False)
    assert [one["action"] for one in found.actions] == ["c2pa.opened", "c2pa.dubbed"]
    assert found.made == {"may_be_sold": "yes"}


def test_another_reader_of_c2pa_finds_the_same(plain: Path, tmp_path: Path) -> None:
    with c2pa.Reader(str(signed(plain, tmp_path / "out.mp4"))) as reader:  # with none of our settings
        found = json.loads(reader.json())
    assert found["validation_state"] == "Valid"
    assert [one["code"] for one in found["validation_status"]] == ["signingCredential.untrusted"]
    (active,) = found["manifests"].values()
    assert {"c2pa.actions.v2", "c2pa.hash.bmff.v3", MADE} == {one["label"] for one in active["assertions"]}
    assert active["claim_version"] == 2


@pytest.mark.parametrize("name", ["out.mp4", "out.m4v", "out.mov", "out.mkv"])
def test_a_video_gets_its_name_with_its_manifest_or_not_at_all(name: str, tmp_path: Path) -> None:
    out, folder = tmp_path / "made" / name, tmp_path / "made"
    signing = Signing.of(MarkFlags(sign=True))

    def write(sign: Callable[[Path, Path], None]) -> None:
        with VideoWriter(out, 160, 120, 25, preset="ultrafast", sign=sign) as writer:
            for number in range(5):
                writer.write_rgb(moving_frame(number))

    def broken(plain: Path, sealed: Path) -> None:
        sealed.write_bytes(b"half")
        raise OutputError("no")

    refused(OutputError, "", write, broken)
    assert list(folder.iterdir()) == []
    write(signing.sign(_ACTIONS, {}, out))
    beside = [sidecar(out)] if name == "out.mkv" else []
    assert sorted(folder.iterdir()) == sorted([out, *beside])
    assert read_provenance(out).state == "valid"
    out.write_bytes(out.read_bytes()[:-1] + b"\x7f")
    assert read_provenance(out).state == "broken"


def test_a_manifest_beside_a_file_stays_with_that_file(tmp_path: Path) -> None:
    asked, video = MarkFlags(sign=True), tmp_path / "talk.mkv"
    place = tmp_path / "talk.c2pa"
    assert asked.sidecars(video) == [place]
    place.write_bytes(b"of the video")
    with pytest.raises(OutputError, match=r"talk\.c2pa: the manifest of another file is there already; choose another name"):
        asked.sidecars(tmp_path / "talk.mp3")
    assert asked.sidecars(tmp_path / "talk.m4a") == []  # which holds its own
    video.write_bytes(b"made before")
    assert asked.sidecars(video) == [place]
    for unsigned in (video, tmp_path / "talk.mp3"):  # beside which it would lie, and not be theirs
        with pytest.raises(OutputError, match=r"the manifest of another file is there already; .* is gone or is replaced"):
            MarkFlags().sidecars(unsigned)
    place.unlink()
    assert MarkFlags().sidecars(video) == []


def test_a_changed_file_is_told_and_its_claims_are_not(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = signed(plain, tmp_path / "out.mp4", {"may_be_sold": "yes, says the manifest"})
    assert any("says the manifest" in line for line in info(out, capsys))
    data = bytearray(out.read_bytes())
    data[-500] ^= 1
    out.write_bytes(data)
    (line,) = info(out, capsys)
    assert "NOT AS IT WAS SIGNED" in line
    assert "bmffHash.mismatch" in line


def test_a_changed_manifest_or_that_of_another_file_is_no_proof(plain: Path, tmp_path: Path) -> None:
    out = signed(plain, tmp_path / "out.mp4", {"may_be_sold": "no, because of x"})
    data = out.read_bytes()
    assert data.count(b"no, because of x") == 1
    out.write_bytes(data.replace(b"no, because of x", b"yes, all of it x"))
    found = read_provenance(out)
    assert (found.state, found.made) == ("broken", {})
    place, length = box(data)
    other = write_clip(tmp_path / "other.mp4", np.zeros(8000, np.float32), 20).read_bytes()
    (tmp_path / "thief.mp4").write_bytes(other[:place] + data[place : place + length] + other[place:])
    assert read_provenance(tmp_path / "thief.mp4").state == "broken"
    sidecar(tmp_path / "other.mkv").write_bytes(data[place : place + length])
    (tmp_path / "other.mkv").write_bytes(other)
    assert read_provenance(tmp_path / "other.mkv").state == "broken"


def test_a_stripped_manifest_leaves_a_comment_that_proves_nothing(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = plain.with_name("commented.mp4")
    with VideoWriter(out, 160, 120, 25, preset="ultrafast", comment="synthetic: NetfLips 9, en->ko, models x") as writer:
        writer.write_rgb(moving_frame(0))
    signed(out, plain.with_name("signed.mp4"))
    data = plain.with_name("signed.mp4").read_bytes()
    place, length = box(data)
    free = struct.pack(">I4s", length, b"free") + bytes(length - 8)  # as long, so that the rest is still found
    out.write_bytes(data[:place] + free + data[place + length :])
    (line,) = info(out, capsys)
    assert line == "provenance: no signed manifest; the comment is no proof, anybody can write or remove one"


def test_whoever_signs_in_our_name_is_told_as_nobody(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = machine_key()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "forger"))
    out = signed(plain, tmp_path / "out.mp4")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = read_provenance(out)
    assert (found.state, found.is_ours, found.issuer) == ("valid", False, "NetfLips, self-signed")
    assert "vouched for: by nobody here" in info(out, capsys)[1]
    (tmp_path / "roots.pem").write_bytes(ours.chain)
    assert not read_provenance(out, tmp_path / "roots.pem").is_trusted
    forger = tmp_path / "forger" / "netflips" / "signing" / "key.pem"
    assert read_provenance(out, forger).is_trusted
    assert "vouched for: by certificates that you trust" in info(out, capsys, "--trust", str(forger))[1]


@pytest.mark.parametrize("size", [5 << 20, 0x7FFFFFF0, 1 << 40])
def test_huge_manifests_are_not_read(size: int, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "huge.mp4"
    kind = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    with out.open("wb") as file:
        file.write(plain.read_bytes())
        file.write(struct.pack(">I4sQ", 1, b"uuid", size) + kind)
        file.truncate(file.tell() + min(size, 6 << 20))
    monkeypatch.setattr(c2pa, "Reader", lambda *_: pytest.fail("it was read"))
    found = read_provenance(out)
    assert found.state == "broken"
    assert f"{size:,} bytes" in found.problems[0]
    sidecar(tmp_path / "x.mkv").write_bytes(bytes(5 << 20))
    (tmp_path / "x.mkv").write_bytes(plain.read_bytes())
    assert read_provenance(tmp_path / "x.mkv").state == "broken"


def test_other_kinds_and_many_parts(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "parts.mp4"
    out.write_bytes(plain.read_bytes() + struct.pack(">I4s", 8, b"free") * 200_000)
    assert read_provenance(out).state == "none"
    write_speech(tmp_path / "speech.wav", np.zeros(1600, np.float32))
    assert info(tmp_path / "speech.wav", capsys) == ["provenance: a file of this kind is not looked into"]


def test_markup_in_a_manifest_is_shown_and_not_run(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"may_be_sold": _MARKUP, "consent": [{"who": _MARKUP, "agreed_to": "x" * 5000}, 7]}
    facts |= {"operator": {"a": _MARKUP}, "models": 3}
    lines = info(signed(plain, tmp_path / "out.mp4", facts), capsys)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 1000
    assert any("<script>alert(1)</script>\\x1b[31m\\n\\u202e" in line for line in lines)


def test_damaged_manifests_say_nothing_new_and_never_end_the_program(plain: Path, tmp_path: Path) -> None:
    data, whole = signed(plain, tmp_path / "out.mp4").read_bytes(), read_provenance(tmp_path / "out.mp4")
    place, length = box(data)
    chance = random.Random(0)
    for number in range(12):
        damaged = bytearray(data)
        for _ in range(1 + number % 4):
            damaged[place + 24 + chance.randrange(length - 24)] = chance.randrange(256)
        (tmp_path / "out.mp4").write_bytes(damaged[: len(damaged) - number % 7 * 100])
        found = read_provenance(tmp_path / "out.mp4")
        assert found.state == "broken" or found == whole  # the room that a signature leaves is signed by nobody


@pytest.mark.parametrize(("old", "new"), [("netflips.made", "한한한한x"), ("c2pa.actions.v2", "한한한한한")])
def test_a_manifest_that_crashes_the_library_is_one_line(
    old: str, new: str, plain: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = signed(plain, tmp_path / "out.mp4")
    out.write_bytes(out.read_bytes().replace(old.encode(), new.encode()))
    assert cli.main(["info", str(out)]) == 0
    said = capfd.readouterr()
    assert "NOT AS IT WAS SIGNED, nothing in its manifest is to be believed (it cannot be read: " in said.out.splitlines()[-1]
    assert "panicked" not in said.err


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """On this machine; it is asked for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        yield server


def test_a_manifest_that_lies_elsewhere_is_not_fetched(plain: Path, tmp_path: Path, server: socket.socket) -> None:
    url = f"http://127.0.0.1:{server.getsockname()[1]}/x.c2pa"
    actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": COMPOSITE}]}
    content = {"claim_generator_info": [{"name": "x"}], "assertions": [{"label": "c2pa.actions.v2", "data": actions}]}
    key = machine_key()
    about = c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None)
    with c2pa.Builder(json.dumps(content)) as builder, c2pa.Signer.from_info(about) as signer:
        builder.set_no_embed()
        builder.set_remote_url(url)
        with plain.open("rb") as source, (tmp_path / "far.mp4").open("w+b") as target:
            builder.sign(signer, "video/mp4", source, target)
    assert url.encode() in (tmp_path / "far.mp4").read_bytes()
    read_provenance(tmp_path / "far.mp4")
    refused(TimeoutError, "", server.accept)


# Keys


def test_a_key_of_this_machine_is_made_once_and_for_nobody_else() -> None:
    first = machine_key()
    assert machine_key() == first
    assert machine_file().stat().st_mode & 0o077 == 0
    assert machine_file().parent.stat().st_mode & 0o077 == 0
    signing = Signing.of(MarkFlags(sign=True))
    assert re.fullmatch(r"NetfLips key [0-9a-f]{8} \(self-signed: not trusted by others\)", signing.by)  # nothing of the machine


def _pem(path: Path, key: object, days: int = 30) -> Path:
    """A key with a certificate that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import NameOID

    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A studio")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(whose, whose, key.public_key(), x509.random_serial_number())  # type: ignore[attr-defined]
    made = made.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())  # type: ignore[attr-defined]
    path.write_bytes(text + made.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM))  # type: ignore[arg-type]
    return path


def test_keys_that_do_not_do_are_refused_before_the_work(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    made = ec.generate_private_key
    one, other = (_pem(tmp_path / f"{name}.pem", made(ec.SECP256R1())) for name in ("one", "other"))
    old, odd = _pem(tmp_path / "old.pem", made(ec.SECP256R1()), days=-1), _pem(tmp_path / "odd.pem", made(ec.SECP256K1()))
    (tmp_path / "text.pem").write_text("hello")
    for key, certificate, words in (
        (one, other, "sign no manifest"),
        (old, old, "sign no manifest"),
        (odd, odd, "sign no manifest"),
        (one, one, "sign no manifest"),  # C2PA takes no certificate that signs itself
        (tmp_path / "text.pem", one, "no private key"),
        (one, tmp_path / "text.pem", "no certificates"),
        (one, tmp_path / "none.pem", "not there"),
    ):
        assert "\n" not in refused(InputError, words, Signing.of, MarkFlags(sign_key=key, sign_certificate=certificate))
    for kind, algorithm in ((ed25519.Ed25519PrivateKey.generate(), "ed25519"), (rsa.generate_private_key(65537, 2048), "ps256")):
        name = tmp_path / f"{algorithm}.pem"
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        name.write_bytes(kind.private_bytes(*form))
        assert read_key(name, one).algorithm == algorithm
    refused(UsageError, "go together", MarkFlags, sign_key=one)


def test_a_key_of_ones_own_signs(plain: Path, tmp_path: Path) -> None:
    own = machine_key()
    for name, content in (("key", own.key), ("chain", own.chain)):
        (tmp_path / f"{name}.pem").write_bytes(content)
    signing = Signing.of(MarkFlags(sign_key=tmp_path / "key.pem", sign_certificate=tmp_path / "chain.pem"))
    assert signing.key == own == read_key(tmp_path / "key.pem", tmp_path / "chain.pem")
    assert signing.by.startswith("NetfLips key ")
    assert "self-signed" not in signing.by
    assert read_provenance(signed(plain, tmp_path / "out.mp4", None, signing), tmp_path / "chain.pem").is_trusted


def test_without_the_library_or_a_home_of_the_key(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = signed(plain, tmp_path / "out.mp4")
    (tmp_path / "file").write_text("")
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
        refused(NetflipsError, "the signing key cannot be kept", Signing.of, MarkFlags(sign=True))
    monkeypatch.setattr(manifest, "find_spec", lambda _: None)
    refused(UsageError, "--sign needs more than is installed", Signing.of, MarkFlags(sign=True))
    assert (read_provenance(out).state, read_provenance(plain).state) == ("unread", "none")
