"""Carries OTLP requests: gRPC or HTTP, one at a time, each within a time of its own."""

from __future__ import annotations

import gzip
import http.client
import ssl
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from etter_obs.settings import Settings

_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
_PATH: Final = "/v1/logs"
_LEVEL: Final = 6
"""Of gzip, as gRPC compresses; the module's own 9 takes longer for a few bytes less."""
_RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
# Both lists are OTLP's own: https://opentelemetry.io/docs/specs/otlp/#failures
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


class NotSent(Exception):  # noqa: N818  # what happened, not what is wrong
    """A request did not arrive; ``retryable`` says whether it may be sent again."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.retryable = retryable


class Transport(Protocol):
    """Sends requests to one receiver."""

    def send(self, payload: bytes, timeout: float) -> None:
        """Send an encoded ExportLogsServiceRequest within ``timeout`` seconds.

        Raises:
            NotSent: it was not taken.
        """

    def close(self) -> None:
        """Close the connection; a call under way ends."""


def make_transport(settings: Settings) -> Transport:
    """Connect to the receiver of ``settings``, when the first request is sent."""
    if settings.otlp_protocol == "grpc":
        return _Grpc(settings)
    return _Http(settings)


class _Grpc:
    def __init__(self, settings: Settings) -> None:
        import grpc

        self._error = grpc.RpcError
        self._headers = [(key.lower(), value) for key, value in settings.otlp_headers]
        target = urlsplit(settings.otlp_endpoint).netloc or settings.otlp_endpoint
        zipped = settings.otlp_compression == "gzip"
        compression = grpc.Compression.Gzip if zipped else grpc.Compression.NoCompression
        if settings.otlp_insecure:
            self._channel = grpc.insecure_channel(target, compression=compression)
        else:
            certificate = settings.otlp_certificate
            roots = certificate.read_bytes() if certificate is not None else None
            credentials = grpc.ssl_channel_credentials(roots)
            self._channel = grpc.secure_channel(target, credentials, compression=compression)
        self._call: Any = self._channel.unary_unary(_METHOD)  # bytes in, bytes out

    def send(self, payload: bytes, timeout: float) -> None:
        try:
            self._call(payload, timeout=timeout, metadata=self._headers)
        except self._error as error:
            code = error.code().name
            raise NotSent(code, retryable=code in _RETRYABLE_CODES) from None
        except ValueError as error:  # the channel was closed meanwhile
            raise NotSent(str(error), retryable=False) from None

    def close(self) -> None:
        self._channel.close()


class _Http:
    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.otlp_url)
        self._host, self._port = url.hostname or "", url.port
        self._path = url.path.rstrip("/") + _PATH
        self._tls = None
        if url.scheme == "https":
            self._tls = ssl.create_default_context(cafile=settings.otlp_certificate)
        self._headers = {"Content-Type": "application/x-protobuf", **dict(settings.otlp_headers)}
        self._zipped = settings.otlp_compression == "gzip"
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
