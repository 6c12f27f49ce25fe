"""Sends OTLP requests by gRPC or HTTP, one at a time, each with its own timeout."""

from __future__ import annotations

import gzip
import http.client
import ssl
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from etter_obs._internal.settings import OtlpTarget

_LEVEL: Final = 6
"""The gzip level, equal to gRPC's; the module's default of 9 is slower for a few bytes less."""
_RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
# Both lists come from OTLP: https://opentelemetry.io/docs/specs/otlp/#failures
_RETRYABLE_CODES: Final = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)


class NotSent(Exception):  # noqa: N818  # names the event, not an error
    """The receiver did not accept a request; ``retryable`` means that a retry may succeed."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.retryable = retryable


class Transport(Protocol):
    """Sends requests to one receiver."""

    def send(self, payload: bytes, timeout: float) -> None:
        """Send an encoded export request within ``timeout`` seconds.

        Raises:
            NotSent: the receiver did not accept it.
        """

    def close(self) -> None:
        """Close the connection and end a running call."""


def make_transport(target: OtlpTarget, path: str, method: str) -> Transport:
    """Return a transport that connects to ``target`` at the first request.

    Args:
        target: the receiver, its protocol and options.
        path: the signal's path below the endpoint, for OTLP over HTTP.
        method: the signal's method, for OTLP over gRPC.

    Returns:
        The transport.
    """
    return _Grpc(target, method) if target.protocol == "grpc" else _Http(target, path)


class _Grpc:
    def __init__(self, to: OtlpTarget, method: str) -> None:
        import grpc

        self._error = grpc.RpcError
        self._headers = [(key.lower(), value) for key, value in to.headers]
        address = urlsplit(to.endpoint).netloc or to.endpoint
        zipped = to.compression == "gzip"
        compression = grpc.Compression.Gzip if zipped else grpc.Compression.NoCompression
        if to.insecure:
            self._channel = grpc.insecure_channel(address, compression=compression)
        else:
            credentials = grpc.ssl_channel_credentials(
                _content(to.certificate), _content(to.client_key), _content(to.client_certificate)
            )
            self._channel = grpc.secure_channel(address, credentials, compression=compression)
        self._call: Any = self._channel.unary_unary(method)  # bytes in, bytes out

    def send(self, payload: bytes, timeout: float) -> None:
        try:
            self._call(payload, timeout=timeout, metadata=self._headers)
        except self._error as error:
            code = error.code().name
            raise NotSent(code, retryable=code in _RETRYABLE_CODES) from None
        except ValueError as error:  # another thread closed the channel
            raise NotSent(str(error), retryable=False) from None

    def close(self) -> None:
        self._channel.close()


class _Http:
    def __init__(self, to: OtlpTarget, path: str) -> None:
        url = urlsplit(to.url)
        self._host, self._port = url.hostname or "", url.port
        self._path = url.path or "/" if to.is_whole else url.path.rstrip("/") + path
        self._tls = None
        if url.scheme == "https":
            self._tls = ssl.create_default_context(cafile=to.certificate)
            if to.client_certificate is not None:
                self._tls.load_cert_chain(to.client_certificate, to.client_key)
        self._headers = {"Content-Type": "application/x-protobuf", **dict(to.headers)}
        self._zipped = to.compression == "gzip"
        if self._zipped:
            self._headers["Content-Encoding"] = "gzip"
        self._connection: http.client.HTTPConnection | None = None

    def send(self, payload: bytes, timeout: float) -> None:
        if self._zipped:
            payload = gzip.compress(payload, _LEVEL)
        try:
            connection = self._connect(timeout)
            connection.request("POST", self._path, payload, self._headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotSent(type(error).__name__, retryable=True) from None
        if response.status >= 300:
            retryable = response.status in _RETRYABLE_STATUSES
            raise NotSent(f"HTTP {response.status}", retryable=retryable)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        connection = self._connection
        if connection is None:
            if self._tls is None:
                connection = http.client.HTTPConnection(self._host, self._port)
            else:
                connection = http.client.HTTPSConnection(self._host, self._port, context=self._tls)
            self._connection = connection
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection


def _content(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes()
