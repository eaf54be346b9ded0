"""The key that files are signed with: a person's own, or one that is made once for this machine."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from avcore.errors import InputError, OutputError, reason
from avcore.files import atomic_output, require_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

_YEARS = 10
"""A file that was signed without a time of others is only good for as long as its certificate."""
_MOST_BYTES = 1 << 20
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
    "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class SigningKey(NamedTuple):
    """key, chain: PEM, the key's own certificate first. algorithm: as C2PA names it."""

    key: bytes
    chain: bytes
    algorithm: str


def machine_file() -> Path:
    """Return where this machine's key and its certificates are kept, in one file; it need not be there."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "netflips" / "signing" / "key.pem"


def machine_key() -> SigningKey:
    """Return this machine's key, made now if there is none. Raises OutputError where it cannot be kept, InputError for damage."""
    path = machine_file()
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # nobody else looks into it
        except OSError as error:
            raise OutputError("the signing key cannot be kept", path=path.parent, found=error.strerror) from error
        with atomic_output(path) as temporary:
            temporary.write_bytes(_made())
        path.chmod(0o600)
    return read_key(path, path)


def read_key(key_path: Path, chain_path: Path) -> SigningKey:
    """Read a private key and its certificates, PEM. Raises InputError for other files; whether they are of one another is not
    looked at."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    chain = read_certificates(chain_path)
    try:
        key: Any = serialization.load_pem_private_key(require_file(key_path, "the signing key").read_bytes()[:_MOST_BYTES], None)
    except (ValueError, TypeError) as error:
        raise InputError("this is no private key without a password", path=key_path, expected="PEM", found=reason(error)) from error
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    algorithm = curves.get(key.curve.name, "") if isinstance(key, ec.EllipticCurvePrivateKey) else ""
    algorithm = "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else algorithm
    algorithm = "ps256" if isinstance(key, rsa.RSAPrivateKey) else algorithm
    if not algorithm:
        raise InputError("keys of this kind sign no manifest", path=key_path, expected="P-256, P-384, P-521, Ed25519 or RSA")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return SigningKey(key.private_bytes(*form), chain, algorithm)


def read_certificates(path: Path) -> bytes:
    """Return the certificates of a file, PEM, without what else is in it. Raises InputError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        content = require_file(path, "the certificates").read_bytes()[:_MOST_BYTES]
        return b"".join(one.public_bytes(Encoding.PEM) for one in x509.load_pem_x509_certificates(content))
    except ValueError as error:
        raise InputError("these are no certificates", path=path, expected="PEM", found=reason(error)) from error


def _made() -> bytes:
    """Return a new key and its certificates, PEM: C2PA takes none that signs itself, so one above it does, whose key is dropped."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now, number = datetime.now(UTC), token_hex(4)  # of the machine its name says nothing

    def named(what: str) -> x509.Name:
        told = ((NameOID.ORGANIZATION_NAME, "NetfLips, self-signed"), (NameOID.COMMON_NAME, f"NetfLips key {number}{what}"))
        return x509.Name([x509.NameAttribute(*one) for one in told])

    def certificate(of: "EllipticCurvePrivateKey", what: str) -> "Certificate":
        is_root = of is root
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": is_root, "digital_signature": not is_root}
        made = x509.CertificateBuilder(named(", root"), named(what), of.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365 * _YEARS))
        made = made.add_extension(x509.BasicConstraints(is_root, None), critical=True)
        made = made.add_extension(x509.KeyUsage(**usage), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False)
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        if not is_root:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return made.sign(root, SHA256())

    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    chain = certificate(key, ""), certificate(root, ", root")
    return key.private_bytes(*form) + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
