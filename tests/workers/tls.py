"""The session's servers behind TLS, as in production: they do not speak it themselves."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOOPBACK = "127.0.0.1"
#: What a client of Postgres says first; the answer "S" lets it begin with TLS.
_SSL_REQUEST_BYTES = 8


@dataclass(frozen=True)
class Certificate:
    """One that signs itself, for servers and clients alike."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "casekeeper tests")])
        now = datetime.now(UTC)
        address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
        signed = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        own = cls(folder / "tls.crt", folder / "tls.key")
        own.certificate.write_bytes(signed.public_bytes(pem))
        own.key.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return own

    def context(self, *, mutual: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.certificate)
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(["h2"])
        context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
        return context


@asynccontextmanager
async def tls_to(
    address: str, own: Certificate, *, mutual: bool = False, postgres: bool = False
) -> AsyncGenerator[str]:
    """Pass connections with TLS on to the address without, for the block; where they are taken."""
    context = own.context(mutual=mutual)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if postgres:
                await reader.readexactly(_SSL_REQUEST_BYTES)
                writer.write(b"S")
                await writer.start_tls(context)
            inner, outer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_copy(reader, outer), _copy(inner, writer))

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=None if postgres else context)
    async with server:
        yield f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
