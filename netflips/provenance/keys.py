"""The key that files are signed with: a person's own, or one that is made once for this machine."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from avcore.errors import InputError, OutputError, reason
from avcore.files import atomic_output, require_file

_YEARS = 10
"""A file that was signed without a time of others is only good for as long as its certificate."""
_MOST_BYTES = 1 << 20


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
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now, number = datetime.now(UTC), token_hex(4)  # of the machine its name says nothing
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())

    def certificate(of: ec.EllipticCurvePrivateKey, *names: str) -> bytes:
        is_root = of is root
        told = [[(NameOID.ORGANIZATION_NAME, "NetfLips, self-signed"), (NameOID.COMMON_NAME, name)] for name in names]
        issuer, whose = (x509.Name([x509.NameAttribute(*one) for one in row]) for row in told)
        made = x509.CertificateBuilder(issuer, whose, of.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365 * _YEARS))
        made = made.add_extension(x509.BasicConstraints(is_root, None), critical=True)
        usage = x509.KeyUsage(not is_root, False, False, False, False, is_root, False, False, False)  # it signs files, or keys
        made = made.add_extension(usage, critical=True).add_extension(above, critical=False)
        if not is_root:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return made.sign(root, SHA256()).public_bytes(Encoding.PEM)

    name = f"NetfLips key {number}"
    return _pem(key) + certificate(key, f"{name}, root", name) + certificate(root, f"{name}, root", f"{name}, root")
