"""C2PA manifests: written into a finished file, or beside it where its format cannot hold one; read and verified.

Nothing is fetched from a network, when writing or when reading: no time stamp, no revocation list, no remote manifest.
"""

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from avcore.errors import InputError, OutputError, UsageError, pip_line, reason
from avcore.files import atomic_output, require_file
from avcore.programs import apart
from netflips.provenance.options import HOLD_MANIFESTS, MarkFlags, sidecar
from netflips.version import __version__

# The key that files are signed with: a person's own, or one that is made once for this machine

_YEARS = 10
"""A file that was signed without a time stamp of others is valid only for as long as its certificate."""
_MOST_KEY_BYTES = 1 << 20


class SigningKey(NamedTuple):
    """A private key and its certificates."""

    key: bytes
    """PEM"""
    chain: bytes
    """PEM, the key's own certificate first"""
    algorithm: str
    """its name in C2PA"""


def machine_file() -> Path:
    """Return the file with this machine's key and its certificates; it need not exist."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "netflips" / "signing" / "key.pem"


def machine_key() -> SigningKey:
    """Return this machine's key; it is made if there is none. Raises OutputError where it cannot be stored, InputError for a
    damaged file."""
    path = machine_file()
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # other users must not read it
        except OSError as error:
            raise OutputError("the signing key cannot be kept", path=path.parent, found=error.strerror) from error
        with atomic_output(path) as temporary:
            temporary.write_bytes(_made())
        path.chmod(0o600)
    return read_key(path, path)


def read_key(key_path: Path, chain_path: Path) -> SigningKey:
    """Read a private key and its certificates, PEM. Raises InputError for other files. Whether they belong together is not
    checked."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    chain = read_certificates(chain_path)
    try:
        key: Any = serialization.load_pem_private_key(
            require_file(key_path, "the signing key").read_bytes()[:_MOST_KEY_BYTES], None
        )
    except (ValueError, TypeError) as error:
        raise InputError("this is no private key without a password", path=key_path, expected="PEM", found=reason(error)) from error

    kinds = {ed25519.Ed25519PrivateKey: "ed25519", rsa.RSAPrivateKey: "ps256"}
    algorithm = next((name for kind, name in kinds.items() if isinstance(key, kind)), "")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}.get(key.curve.name, "")
    if not algorithm:
        raise InputError("keys of this kind sign no manifest", path=key_path, expected="P-256, P-384, P-521, Ed25519 or RSA")
    return SigningKey(_pem(key), chain, algorithm)


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    content: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return content


def read_certificates(path: Path) -> bytes:
    """Return the certificates in a file, PEM, without its other content. Raises InputError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        content = require_file(path, "the certificates").read_bytes()[:_MOST_KEY_BYTES]
        return b"".join(one.public_bytes(Encoding.PEM) for one in x509.load_pem_x509_certificates(content))
    except ValueError as error:
        raise InputError("these are no certificates", path=path, expected="PEM", found=reason(error)) from error


def _made() -> bytes:
    """Return a new key and its certificates, PEM. C2PA accepts no self-signed key, so a root key signs it, and is then
    discarded."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now, number = datetime.now(UTC), token_hex(4)  # a random number, so that the name reveals nothing of the machine
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())

    def certificate(of: ec.EllipticCurvePrivateKey, *names: str) -> bytes:
        is_root = of is root
        subjects = [[(NameOID.ORGANIZATION_NAME, "NetfLips, self-signed"), (NameOID.COMMON_NAME, name)] for name in names]
        issuer, whose = (x509.Name([x509.NameAttribute(*one) for one in row]) for row in subjects)

        made = x509.CertificateBuilder(issuer, whose, of.public_key(), x509.random_serial_number())
        # From yesterday, because the clock of whoever reads the file may be behind.
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365 * _YEARS))
        made = made.add_extension(x509.BasicConstraints(is_root, None), critical=True)
        usage = x509.KeyUsage(not is_root, False, False, False, False, is_root, False, False, False)  # it signs files, or keys
        made = made.add_extension(usage, critical=True).add_extension(above, critical=False)

        if not is_root:
            # C2PA takes a certificate only for stated uses; this is one of them.
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return made.sign(root, SHA256()).public_bytes(Encoding.PEM)

    name = f"NetfLips key {number}"
    return _pem(key) + certificate(key, f"{name}, root", name) + certificate(root, f"{name}, root", f"{name}, root")


# The manifest

MADE = "netflips.made"
"""Label of our own assertion."""
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's source type of media that are made in part by trained models."""
_ANY = "application/octet-stream"
_MOST_BYTES = 4 << 20
"""Largest manifest that is read; one of ours has 5 KB."""
_MOST_LETTERS, _LONGEST_S, _RATE = 200, 60.0, 20e6
"""Longest reason why a manifest cannot be read; and the time limit for reading a file: so many seconds, and one more for this many
bytes."""
_MOST_BOXES = 100_000
"""Number of boxes of a file that are searched for a manifest."""
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_UNTRUSTED = "signingCredential.untrusted"
Actions = Sequence[Mapping[str, Any]]
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}, "builder": {"thumbnail": {"enabled": False}}}


@dataclass(frozen=True)
class Signing:
    """A key to sign with, tried before the work begins."""

    key: SigningKey
    """with its certificates"""
    path: Path
    """of its certificate"""
    by: str = ""
    """owner, as the certificate names it"""

    @classmethod
    def of(cls, flags: MarkFlags) -> "Signing":
        """Return the signing key that the options name, or this machine's. Raises UsageError, InputError or OutputError."""
        if find_spec("c2pa") is None:
            raise UsageError("--sign needs more than is installed", hint=pip_line("provenance"))

        if flags.sign_key is not None and flags.sign_certificate is not None:
            signing, note = cls(read_key(flags.sign_key, flags.sign_certificate), flags.sign_certificate), ""
        else:
            signing, note = cls(machine_key(), machine_file()), " (self-signed: not trusted by others)"
        return cls(signing.key, signing.path, signing._tried() + note)

    def sign(self, actions: Actions, facts: Mapping[str, Any], out: Path) -> Callable[[Path, Path], None]:
        """Return a function that copies a finished file and adds its manifest; see `atomic_output`.

        actions: of C2PA, after a source was opened; facts: for our own assertion. out: final place of the file.
        """

        def write(plain: Path, sealed: Path) -> None:
            kind = HOLD_MANIFESTS.get(out.suffix.lower(), _ANY)
            with plain.open("rb") as source, sealed.open("w+b") as target:
                manifest = self._sign(actions, facts, kind, source, target)
            if kind == _ANY:
                with atomic_output(sidecar(out)) as temporary:
                    temporary.write_bytes(manifest)

        return write

    def _sign(self, actions: Actions, facts: Mapping[str, Any], kind: str, source: Any, target: Any) -> bytes:
        """Write a file with its manifest; returns the manifest. Raises InputError for a key and certificate that cannot make a
        valid one."""
        import c2pa

        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["source"]}}
        assertions = {"c2pa.actions.v2": {"actions": [opened, *actions]}, MADE: facts}
        content = {
            "claim_generator_info": [{"name": "NetfLips", "version": __version__}],
            "assertions": [{"label": label, "data": data} for label, data in assertions.items()],
        }

        about = {"title": "source", "relationship": "parentOf", "instance_id": "source", "label": "source"}
        info = c2pa.C2paSignerInfo(self.key.algorithm, self.key.chain, self.key.key, None)

        try:
            with c2pa.Builder(json.dumps(content), _context(c2pa)) as builder, c2pa.Signer.from_info(info) as signer:
                # Nothing of the source: its name would reveal somebody's disk, and its own manifest was not verified here.
                builder.add_ingredient(about, _ANY, io.BytesIO())
                if kind == _ANY:
                    builder.set_no_embed()
                manifest: bytes = builder.sign(signer, kind, source, target)
                return manifest
        except c2pa.C2paError as error:
            raise InputError(
                "this key and certificate sign no manifest", path=self.path, found=reason(error)[:_MOST_LETTERS]
            ) from error

    def _tried(self) -> str:
        """Sign a byte; returns the owner of the key. Raises InputError."""
        import c2pa

        manifest = self._sign((), {}, _ANY, io.BytesIO(b"x"), io.BytesIO())
        with c2pa.Reader(_ANY, io.BytesIO(b"x"), manifest, _context(c2pa)) as reader:
            found = _provenance_of(json.loads(reader.json()))
        if found.state != "valid":
            raise InputError("this key and certificate sign no manifest", path=self.path, found=", ".join(found.problems))
        return found.signer or found.issuer


@dataclass(frozen=True)
class Provenance:
    """What was found in a file's manifest. All texts are somebody's claims."""

    state: str = "none"
    """none; unseen: files of this kind are not searched; unread: nothing here can read it; valid; broken: file or manifest was
    changed, or they do not belong together"""
    problems: tuple[str, ...] = ()
    """C2PA's codes"""
    signer: str = ""
    """name in the certificate"""
    issuer: str = ""
    """name of the issuer in the certificate"""
    is_trusted: bool = False
    """it is signed under certificates that the caller gave"""
    is_ours: bool = False
    """no certificates were given, and it is signed under this machine's own"""
    generator: str = ""
    """program that made the file"""
    actions: tuple[Mapping[str, Any], ...] = ()
    """of C2PA; empty where the manifest is broken, because then nobody vouches for them"""
    made: Mapping[str, Any] = field(default_factory=dict)
    """our own assertion; empty as `actions`"""


def read_provenance(path: Path, trusted: Path | None = None) -> Provenance:
    """Read and verify the manifest of a file, or the one beside it. trusted: PEM file of certificates to trust.

    All content is somebody's claim: texts of any kind, whose control characters must be escaped before they are shown. Raises
    InputError for certificates that cannot be read.
    """
    beside, kind = sidecar(path), HOLD_MANIFESTS.get(path.suffix.lower(), _ANY)
    size = 0 if kind == _ANY else _box_bytes(path)
    if not size:
        kind, size = _ANY, beside.stat().st_size if beside.is_file() else 0
    if not size:
        return Provenance("none" if path.suffix.lower() in (*HOLD_MANIFESTS, ".mkv") else "unseen")

    if size > _MOST_BYTES:
        return Provenance("broken", (f"a manifest of {size:,} bytes; {_MOST_BYTES:,} at most",))
    if find_spec("c2pa") is None:
        return Provenance("unread")

    anchors = trusted or (machine_file() if machine_file().is_file() else None)
    if anchors is not None:
        read_certificates(anchors)

    given = (kind, path, str(beside) if kind == _ANY else "", str(anchors or ""))
    try:  # in a process of its own: a forged manifest may crash the library
        found, state = apart(_read, *given, limit_s=_LONGEST_S + path.stat().st_size / _RATE, what="the reader of manifests")
    except (InputError, ValueError, RecursionError) as error:
        return Provenance("broken", (f"it cannot be read: {reason(error)}"[:_MOST_LETTERS],))

    provenance = _provenance_of(found) if found else Provenance("broken", (state[:_MOST_LETTERS],))
    is_vouched = provenance.state == "valid" and state == "Trusted"
    return replace(provenance, is_trusted=is_vouched and trusted is not None, is_ours=is_vouched and trusted is None)


def _read(kind: str, path: Path, beside: str, anchors: str) -> list[Any]:
    """Return the content of a manifest, empty where it cannot be read, and its validation state, or the error."""
    import c2pa

    data = Path(beside).read_bytes() if beside else None
    context = _context(c2pa, read_certificates(Path(anchors)).decode() if anchors else "")
    try:
        with path.open("rb") as file, c2pa.Reader(kind, file, data, context) as reader:
            return [json.loads(reader.json()), reader.get_validation_state()]
    except c2pa.C2paError as error:
        return [{}, reason(error)]


def _provenance_of(found: Mapping[str, Any]) -> Provenance:
    active = found.get("manifests", {}).get(found.get("active_manifest", ""), {})
    # An unknown signer is no fault of the file; `is_trusted` tells of it.
    problems = [str(one["code"]) for one in found.get("validation_status", ()) if one["code"] != _UNTRUSTED]
    signer, issuer = (str(active.get("signature_info", {}).get(name) or "") for name in ("common_name", "issuer"))

    if problems or not active or found.get("validation_state") not in ("Valid", "Trusted"):
        return Provenance("broken", tuple(dict.fromkeys(problems)) or ("it is not valid",), signer, issuer)
    # C2PA numbers assertions that have one label: c2pa.actions.v2__1.
    assertions = {one["label"].partition("__")[0]: one["data"] for one in active.get("assertions", ())}
    actions = next((data["actions"] for label, data in assertions.items() if label.startswith("c2pa.actions")), ())
    generator, made = (active.get("claim_generator_info") or [{}])[0], assertions.get(MADE)

    return Provenance(
        "valid",
        signer=signer,
        issuer=issuer,
        generator=" ".join(str(generator[name]) for name in ("name", "version") if name in generator),
        actions=tuple(actions),
        made=made if isinstance(made, dict) else {},
    )


def _box_bytes(path: Path) -> int:
    """Return the bytes of the manifest in an MP4, 0 = none. The stated size counts even where it exceeds the file."""
    found, place, end = 0, 0, path.stat().st_size
    with path.open("rb") as file:
        # Bounded, because a forged file may have millions of tiny boxes.
        for _ in range(_MOST_BOXES):
            if place + 8 > end:
                break
            file.seek(place)
            head = file.read(32)

            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            # ISO/IEC 14496-12: size 1 = the length is in the next 8 bytes, size 0 = the box reaches to the end of the file.
            size = int.from_bytes(head[8:16], "big") if size == 1 else size or end - place
            found += size if kind == b"uuid" and _C2PA_BOX in (head[8:24], head[16:32]) else 0

            # No box is shorter than its own head; going on would end nowhere.
            if size < 8:
                break
            place += size
    return found


def _context(c2pa: Any, anchors: str = "") -> Any:
    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    return c2pa.Context(c2pa.Settings.from_dict(_SETTINGS | trust))
