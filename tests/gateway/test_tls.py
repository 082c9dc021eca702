# SPDX-License-Identifier: Apache-2.0
"""TLS: with a certificate and its key the gateway speaks https and nothing else."""

import datetime as dt
import http.client
import ipaddress
import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.gateway.running import BOT, documents, running
from tests.upstream.server import Upstream

from customhouse.domain.errors import InvalidRequest
from customhouse.settings import load


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    certificate_path, key_path = folder / "tls.pem", folder / "tls.key"
    certificate_path.write_bytes(made.public_bytes(Encoding.PEM))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_path, key_path


def test_a_gateway_with_a_certificate_speaks_tls(tmp_path: Path, home: Path, upstream: Upstream) -> None:
    certificate_path, key_path = certificate(tmp_path)
    tls = {"tls_certificate": str(certificate_path), "tls_key": str(key_path)}
    with running(home, documents(upstream.base_url), **tls) as gateway:
        context = ssl.create_default_context(cafile=str(certificate_path))
        connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=30, context=context)
        body = json.dumps({"model": BOT, "messages": [{"role": "user", "content": "hi"}]})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {gateway.key}"})
        assert connection.getresponse().status == 200
        connection.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            gateway.chat()


def test_half_of_a_certificate_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="go together"):
        load({"CUSTOMHOUSE_TLS_CERTIFICATE": "x.pem"})
