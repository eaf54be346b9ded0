"""C2PA manifests: written into a file when it is whole, or beside it where its kind has no place for one; read and verified.

Nothing is fetched from a network, in either direction: no time stamp, no revocation list, no manifest that lies elsewhere.
"""

import io
import json
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avcore.errors import InputError, NetflipsError, OutputError, UsageError, pip_line, reason
from avcore.files import atomic_output
from netflips.provenance.keys import SigningKey, machine_file, machine_key, read_key
from netflips.provenance.options import MarkFlags
from netflips.version import __version__

MADE = "netflips.made"
"""The assertion that is our own."""
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE, TRAINED = f"{_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia", f"{_SOURCE_TYPES}trainedAlgorithmicMedia"
_KINDS = {".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime", ".wav": "audio/wav"}
"""Kinds of files that hold a manifest; any other gets one beside it."""
_ANY = "application/octet-stream"
_SIDECAR = ".c2pa"
_MOST_BYTES = 4 << 20
"""Of a manifest that is read; one of ours has 5 KB."""
_MOST_BOXES = 100_000
"""Parts of a file that are looked through for a manifest."""
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_UNTRUSTED = "signingCredential.untrusted"
_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}


@dataclass(frozen=True)
class Claim:
    """What a manifest is to say. actions: of C2PA, after the first; facts: of our own assertion. source: what it was made of,
    None = of nothing."""

    actions: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    source: Path | None = None


@dataclass(frozen=True)
class Signing:
    """A key that signs, tried before the work."""

    key: SigningKey
    by: str

    @classmethod
    def of(cls, flags: MarkFlags) -> "Signing | None":
        """Return what signs as the options ask for, None = nothing does. Raises UsageError, InputError or OutputError."""
        if not flags.sign:
            return None
        if find_spec("c2pa") is None:
            raise UsageError("--sign needs more than is installed", hint=pip_line("provenance"))
        if flags.sign_key is not None and flags.sign_certificate is not None:
            key = read_key(flags.sign_key, flags.sign_certificate)
            signing, path = cls(key, key.signer), flags.sign_certificate
        else:
            key, path = machine_key(), machine_file()
            signing = cls(key, f"{key.signer} (self-signed: not trusted by others)")
        signing._try(path)
        return signing

    def seal(self, told: Claim, out: Path) -> Callable[[Path, Path], None]:
        """Return what writes a file that is whole once more, with its manifest; both of them have the ending of `out`."""

        def write(plain: Path, sealed: Path) -> None:
            kind = _KINDS.get(out.suffix.lower())
            with _own_errors(out), plain.open("rb") as source, sealed.open("w+b") as target:
                manifest = self._sign(told, kind, source, target)
            if kind is None:
                with atomic_output(sidecar(out)) as temporary:
                    temporary.write_bytes(manifest)

        return write

    def _sign(self, told: Claim, kind: str | None, source: Any, target: Any) -> bytes:
        import c2pa

        first: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": TRAINED}
        if told.source is not None:
            first = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["source"]}}
        actions = {"actions": [first, *told.actions]}
        content = {
            "claim_generator_info": [{"name": "NetfLips", "version": __version__}],
            "assertions": [{"label": "c2pa.actions.v2", "data": actions}, {"label": MADE, "data": told.facts}],
        }
        info = c2pa.C2paSignerInfo(self.key.algorithm, self.key.chain, self.key.key, None)
        with c2pa.Builder(json.dumps(content), _context(c2pa)) as builder, c2pa.Signer.from_info(info) as signer:
            if told.source is not None:
                # Its name would tell of somebody's disk, and its own manifest of what nobody here looked at: the digest is enough.
                with io.BytesIO() as nothing:
                    about = {"title": "source", "relationship": "parentOf", "instance_id": "source", "label": "source"}
                    builder.add_ingredient(about, _ANY, nothing)
            if kind is None:
                builder.set_no_embed()
            signed: bytes = builder.sign(signer, kind or _ANY, source, target)
            return signed

    def _try(self, path: Path) -> None:
        """Sign a tenth of a second of silence. Raises InputError for a key or certificate that makes no valid manifest."""
        sound, signed = io.BytesIO(), io.BytesIO()
        with wave.open(sound, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(3200))
        try:
            self._sign(Claim((), {}), "audio/wav", io.BytesIO(sound.getvalue()), signed)
        except Exception as error:
            if type(error).__module__.startswith("c2pa"):
                raise InputError("this key and certificate sign no manifest", path=path, found=_words(error)) from error
            raise


def sidecar(path: Path) -> Path:
    """Return where a file's manifest lies if not in it."""
    return path.with_suffix(_SIDECAR)


def sidecars(out: Path, flags: MarkFlags) -> list[Path]:
    """Return the files that signing writes beside an output."""
    return [sidecar(out)] if flags.sign and out.suffix.lower() not in _KINDS else []


@dataclass(frozen=True)
class Provenance:
    """What was found of a file's manifest.

    state: none, unread (nothing here can read it), valid, or broken: file or manifest was changed, or they are not of one another.
    problems: C2PA's codes. signer, issuer: what the certificate calls itself. is_trusted: it rests on certificates that were given;
    is_ours: on this machine's own. actions, made: what it says; nothing where it is broken, for then nobody said it.
    """

    state: str = "none"
    problems: tuple[str, ...] = ()
    signer: str = ""
    issuer: str = ""
    is_trusted: bool = False
    is_ours: bool = False
    generator: str = ""
    actions: tuple[Mapping[str, Any], ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)


def read_provenance(path: Path, trusted: Path | None = None) -> Provenance:
    """Read and verify the manifest of a file, or the one beside it. trusted: certificates that are believed, PEM.

    Whatever is in it is somebody's claim: texts of any kind, to be shown with what steers escaped. Raises InputError for
    certificates that cannot be read.
    """
    beside = sidecar(path)
    is_inside = path.suffix.lower() in _KINDS
    size = _box_bytes(path) if is_inside else 0
    if not size:
        is_inside, size = False, beside.stat().st_size if beside.is_file() else 0
    if not size:
        return Provenance()
    if size > _MOST_BYTES:
        return Provenance("broken", (f"a manifest of {size:,} bytes; {_MOST_BYTES:,} at most",))
    if find_spec("c2pa") is None:
        return Provenance("unread")
    import c2pa

    kind, data = (_KINDS[path.suffix.lower()], None) if is_inside else (_ANY, beside.read_bytes())
    anchors = [(name, one) for name, one in (("ours", machine_file()), ("trusted", trusted)) if one is not None and one.is_file()]
    try:
        with path.open("rb") as file, c2pa.Reader(kind, file, data, _context(c2pa)) as reader:
            found = json.loads(reader.json())
        vouched = set()
        for name, one in anchors:
            with path.open("rb") as file, c2pa.Reader(kind, file, data, _context(c2pa, _certificates(one))) as reader:
                vouched |= {name} if reader.get_validation_state() == "Trusted" else set()
    except c2pa.C2paError as error:
        return Provenance("broken", (_words(error),))
    return _manifest_of(found, vouched)


def _manifest_of(found: Mapping[str, Any], vouched: set[str]) -> Provenance:
    active = found.get("manifests", {}).get(found.get("active_manifest", ""), {})
    signature, problems = active.get("signature_info", {}), [str(one["code"]) for one in found.get("validation_status", ())]
    problems = [code for code in dict.fromkeys(problems) if code != _UNTRUSTED]
    signer, issuer = (str(signature.get(name) or "") for name in ("common_name", "issuer"))
    if problems or not active or found.get("validation_state") not in ("Valid", "Trusted"):
        return Provenance("broken", tuple(problems) or ("it is not valid",), signer, issuer)
    said = {one["label"].partition("__")[0]: one["data"] for one in active.get("assertions", ())}
    actions = next((data["actions"] for label, data in said.items() if label.startswith("c2pa.actions")), ())
    generators = active.get("claim_generator_info") or [{}]
    made = said.get(MADE)
    return Provenance(
        "valid",
        signer=signer,
        issuer=issuer,
        is_trusted="trusted" in vouched,
        is_ours="ours" in vouched,
        generator=" ".join(str(generators[0][name]) for name in ("name", "version") if name in generators[0]),
        actions=tuple(actions),
        made=made if isinstance(made, dict) else {},
    )


def _box_bytes(path: Path) -> int:
    """Return the bytes of the manifest that lies in a file, 0 = none; what is larger than the file is as large as it says."""
    with path.open("rb") as file:
        end, is_riff = path.stat().st_size, file.read(4) == b"RIFF"
        place, found = 12 if is_riff else 0, 0
        for _ in range(_MOST_BOXES):
            if place + 8 > end:
                break
            file.seek(place)
            head = file.read(32)
            if is_riff:
                size, kind = int.from_bytes(head[4:8], "little") + 8, head[:4]
                size += size % 2
            else:
                size, kind = int.from_bytes(head[:4], "big"), head[4:8]
                size = int.from_bytes(head[8:16], "big") if size == 1 else size or end - place
            if (is_riff and kind == b"C2PA") or (kind == b"uuid" and _C2PA_BOX in (head[8:24], head[16:32])):
                found += size
            if size < 8:
                break
            place += size
    return found


def _context(c2pa: Any, anchors: str = "") -> Any:
    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    return c2pa.Context(c2pa.Settings.from_dict(_SETTINGS | trust))


def _certificates(path: Path) -> str:
    """Return the certificates of a file without what else is in it, PEM. Raises InputError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        return b"".join(one.public_bytes(Encoding.PEM) for one in x509.load_pem_x509_certificates(path.read_bytes())).decode()
    except (ValueError, OSError) as error:
        raise InputError("these are no certificates", path=path, expected="PEM", found=reason(error)) from error


@contextmanager
def _own_errors(out: Path) -> Iterator[None]:
    """Turn what the library says into an error of ours."""
    try:
        yield
    except NetflipsError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith("c2pa"):
            raise
        raise OutputError("the output cannot be signed", path=out, found=_words(error)) from error


def _words(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
