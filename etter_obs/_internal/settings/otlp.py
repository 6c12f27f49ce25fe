"""The OTLP target of each signal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etter_obs._internal.settings.environment import Environment, SettingsError
from etter_obs._internal.settings.parsers import OtlpCompression, OtlpProtocol
from etter_obs._internal.settings.variables import OTLP, OTLP_ENDPOINTS, OtlpVariables


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpTarget:
    """Where and how one signal is sent over OTLP."""

    endpoint: str
    protocol: OtlpProtocol
    insecure: bool
    headers: tuple[tuple[str, str], ...]
    certificate: Path | None
    client_key: Path | None
    client_certificate: Path | None
    compression: OtlpCompression
    timeout: float | None
    """Timeout in seconds for one request with its retries; None uses the default of the signal."""
    is_whole: bool = False
    """Whether the endpoint is the complete URL; otherwise the path of the signal is appended."""

    @property
    def url(self) -> str:
        """The endpoint with a scheme, as OTLP over HTTP requires."""
        if "://" in self.endpoint:
            return self.endpoint
        return f"{'http' if self.insecure else 'https'}://{self.endpoint}"


_DEFAULTS: Final = OtlpTarget(
    endpoint=OTLP_ENDPOINTS[OTLP.protocol.default],
    protocol=OTLP.protocol.default,
    insecure=OTLP.insecure.default,
    headers=OTLP.headers.default,
    certificate=OTLP.certificate.default,
    client_key=OTLP.client_key.default,
    client_certificate=OTLP.client_certificate.default,
    compression=OTLP.compression.default,
    timeout=OTLP.timeout.default,
)


def otlp_target(env: Environment) -> OtlpTarget:
    """Read the variables that apply to all signals.

    Raises:
        SettingsError: A variable has a value that it does not accept.
    """
    return _read(env, OTLP, _DEFAULTS)


def signal_target(env: Environment, signal: str, base: OtlpTarget) -> OtlpTarget | None:
    """Read the variables of one signal, which override ``base``; return None if none is set.

    Args:
        env: The environment.
        signal: ``traces`` or ``logs``.
        base: The target from the variables of all signals.

    Returns:
        The target of the signal, or None.

    Raises:
        SettingsError: A variable has a value that it does not accept.
    """
    variables = OtlpVariables(f"{signal.upper()}_")
    return _read(env, variables, base) if env.has(variables.prefix) else None


def _read(env: Environment, known: OtlpVariables, base: OtlpTarget) -> OtlpTarget:
    protocol = env.read(known.protocol, base.protocol)
    own = env.read(known.endpoint)
    endpoint = base.endpoint
    if own is not None:
        endpoint = own
    elif protocol != base.protocol:
        endpoint = OTLP_ENDPOINTS[protocol]
    insecure = env.read(known.insecure, base.insecure)
    key = env.read(known.client_key, base.client_key)
    certificate = env.read(known.client_certificate, base.client_certificate)
    if key is not None and certificate is None:
        raise SettingsError(
            known.client_certificate.names[0],
            None,
            f"a file, because {known.client_key.names[0]} is set",
        )
    return OtlpTarget(
        endpoint=endpoint,
        protocol=protocol,
        insecure=insecure if "://" not in endpoint else endpoint.startswith("http://"),
        headers=env.read(known.headers, base.headers),
        certificate=env.read(known.certificate, base.certificate),
        client_key=key,
        client_certificate=certificate,
        compression=env.read(known.compression, base.compression),
        timeout=env.read(known.timeout, base.timeout),
        # https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
        is_whole=known is not OTLP and own is not None,
    )
