"""The folder of trusted certificates as asyncua asks it: each file that counts, and no other."""

from pathlib import Path

from asyncua.crypto.truststore import TrustStore
from cryptography import x509

from adapters.opcua.certificate_info import read_certificate
from adapters.trusted import trusted_files


class TrustFolder(TrustStore):
    """Trusts each certificate of a folder, and what was issued by one; nothing before it is loaded."""

    def __init__(self, folder: Path) -> None:
        super().__init__([folder], [])
        self._folder = folder

    async def load_trust(self) -> None:
        """Reads the files again. Raises OSError; ValueError, which names the file, or the folder where it has none.

        asyncua itself would take each file in whose name `pem` or `der` occurs, `plc.der.revoked` and `order.txt`, too.
        """
        certificates = [_certificate(trusted_file) for trusted_file in trusted_files(self._folder)]
        if not certificates:
            raise ValueError(f"no certificate can be read from {self._folder}: no file there ends in .pem or .der")
        self._trust_store = x509.verification.Store(certificates)


def _certificate(file: Path) -> x509.Certificate:
    try:
        return read_certificate(file)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read as a trusted certificate: {error}") from error
