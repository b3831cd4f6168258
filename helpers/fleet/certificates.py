"""Make the certificates of a lab: one small authority, and a folder for each machine."""

import datetime
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UsageError
from ..common.files import make_writable, writing

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

# A name becomes a folder on any system, so it is none that Windows keeps for itself.
NAME = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
AUTHORITY, CERTIFICATE, KEY = "authority.pem", "own.pem", "own.key"
EARLIER = datetime.timedelta(days=2)  # a clock may be wrong by hours
VALID = datetime.timedelta(days=730)
Authority = tuple["x509.Certificate", "ec.EllipticCurvePrivateKey"]


def check_name(name: str) -> str:
    """Return the name of a device. Raises UsageError for one that cannot be a folder anywhere."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name:.60}' cannot name a device; use 1 to 40 of a-z, 0-9, '-' and '_', "
            "such as edge-1, and begin and end with a letter or a digit."
        )
    return name


def make_certificates(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return a new folder for each name, to be copied to that machine; make the authority once.

    Keys can be read by the user only. Raises UsageError when a name already has a certificate.
    """
    made = [folder / check_name(name) for name in dict.fromkeys(names)]
    if taken := [path for path in made if path.exists()]:
        raise UsageError(
            f"{taken[0]} exists and stays as it is; choose another name, or remove it to make anew."
        )
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with writing(folder):
        make_writable(folder)
        if not (folder / AUTHORITY).exists() and not (folder / "authority.key").exists():
            _issue(folder, AUTHORITY, "authority.key", None)
        try:
            key: Any = load_pem_private_key((folder / "authority.key").read_bytes(), None)
            own = x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes())
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The authority in {folder} cannot be read ({error}); make a lab in another folder."
            ) from None
        for path in made:
            path.mkdir(mode=0o700)
            _write(path / AUTHORITY, (folder / AUTHORITY).read_bytes())
            _issue(path, CERTIFICATE, KEY, (own, key))
    return made


def _issue(folder: Path, certificate: str, key_file: str, authority: Authority | None) -> None:
    """Write a new key and its certificate; without an authority it is one itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lab {folder.name}"[:64])])
    signer, signing_key = authority or (None, key)
    until = signer.not_valid_after_utc if signer else now + VALID
    signs, no = signer is None, False  # certificates, and lists of those that no longer hold
    usage = x509.KeyUsage(True, no, no, no, no, signs, signs, no, no)
    extensions = (
        (usage, True),
        (x509.BasicConstraints(ca=not signer, path_length=None if signer else 0), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False),
    )
    builder = (
        x509.CertificateBuilder(signer.subject if signer else name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(until)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _write(folder / key_file, key.private_bytes(pem, *form))
    signed = builder.sign(signing_key, hashes.SHA256())
    _write(folder / certificate, signed.public_bytes(pem))


def _write(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read; on Windows its folder decides."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
