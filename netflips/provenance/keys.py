"""The key that files are signed with: a person's own, or one that is made once for this machine."""

import os
from collections.abc import Callable
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


class SigningKey(NamedTuple):
    """key, chain: PEM, the key's own certificate first. algorithm: as C2PA names it. signer: whose it says it is."""

    key: bytes
    chain: bytes
    algorithm: str
    signer: str


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
    """Read a private key and its certificates, PEM. Raises InputError for what does not belong together or cannot be used."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import NameOID

    for path, what in ((key_path, "the signing key"), (chain_path, "the signing certificate")):
        require_file(path, what)
    key: Any = _read(
        key_path, "this is no private key without a password", lambda pem: serialization.load_pem_private_key(pem, None)
    )
    chain: list[Certificate] = _read(chain_path, "these are no certificates", x509.load_pem_x509_certificates)
    leaf, public = chain[0], key.public_key()
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise InputError("this certificate is of another key", path=chain_path, hint="the key's own comes first in the file")
    if not leaf.not_valid_before_utc <= datetime.now(UTC) < leaf.not_valid_after_utc:
        found = f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise InputError("this certificate is not valid now", path=chain_path, found=found)
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    kinds = ((ed25519.Ed25519PrivateKey, "ed25519"), (rsa.RSAPrivateKey, "ps256"))
    algorithm = next((name for kind, name in kinds if isinstance(key, kind)), "")
    algorithm = curves.get(key.curve.name, "") if isinstance(key, ec.EllipticCurvePrivateKey) else algorithm
    if not algorithm:
        raise InputError("keys of this kind sign no manifest", path=key_path, expected="P-256, P-384, P-521, Ed25519 or RSA")
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME) or leaf.subject.get_attributes_for_oid(
        NameOID.ORGANIZATION_NAME
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificates = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    return SigningKey(pem, certificates, algorithm, str(names[0].value) if names else "")


def _read(path: Path, what: str, load: Callable[[bytes], Any]) -> Any:
    try:
        return load(path.read_bytes()[:_MOST_BYTES])
    except (ValueError, TypeError, OSError) as error:
        raise InputError(what, path=path, expected="PEM", found=reason(error)) from error


def _made() -> bytes:
    """Return a new key and its certificates, PEM: C2PA takes none that signs itself, so one above it does, whose key is dropped."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC)

    def certificate(name: str, key: "EllipticCurvePrivateKey", issuer: str, by: "EllipticCurvePrivateKey") -> "Certificate":
        subject, above = (
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "NetfLips, self-signed"),
                    x509.NameAttribute(NameOID.COMMON_NAME, one),
                ]
            )
            for one in (name, issuer)
        )
        is_root = key is by
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only"), False
        ) | {"key_cert_sign": is_root, "digital_signature": not is_root}  # fmt: skip
        made = (
            x509.CertificateBuilder(above, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365 * _YEARS))
            .add_extension(x509.BasicConstraints(is_root, None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        )
        if not is_root:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return made.sign(by, SHA256())

    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    number = token_hex(4)  # of the machine its name says nothing
    above, name = f"NetfLips key {number}, root", f"NetfLips key {number}"
    chain = certificate(name, key, above, root), certificate(above, root, above, root)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
