"""librdkafka's security properties as aiokafka, which Faust reads with, wants them."""

import ssl
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from faust.auth import SASLCredentials, SSLCredentials

from stream_monitor.errors import ConfigError

Properties = Mapping[str, str | int | float | bool]

KNOWN: Final = (
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
)
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
Answer = TypeVar("Answer")
_SECURITY: Final = ("security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "oauthbearer")


def credentials(properties: Properties) -> SASLCredentials | SSLCredentials | None:
    """Faust's `broker_credentials`. Errors: ConfigError that names the property.

    Properties that are not about security concern librdkafka alone, and are passed over.
    """
    unknown = sorted(name for name in properties if name.startswith(_SECURITY) and name not in KNOWN)
    if unknown:
        raise ConfigError(
            f"kafka.properties.{unknown[0]}: `respond` does not know it; of the security properties it knows {', '.join(KNOWN)}"
        )
    protocol = str(properties.get("security.protocol", "PLAINTEXT")).upper()
    if protocol not in PROTOCOLS:
        raise ConfigError(f"kafka.properties.security.protocol: {protocol} is not one of {', '.join(PROTOCOLS)}")
    context = _context(properties) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return _sasl(properties, context)
    return None if context is None else SSLCredentials(context)


def _sasl(properties: Properties, context: ssl.SSLContext | None) -> SASLCredentials:
    mechanism = str(properties.get("sasl.mechanism", properties.get("sasl.mechanisms", "GSSAPI")))
    if mechanism not in MECHANISMS:
        raise ConfigError(f"kafka.properties.sasl.mechanism: `respond` knows {', '.join(MECHANISMS)}, not {mechanism}")
    for name in ("sasl.username", "sasl.password"):
        if name not in properties:
            raise ConfigError(f"kafka.properties.{name} is missing: {mechanism} needs it")
    username, password = str(properties["sasl.username"]), str(properties["sasl.password"])
    return SASLCredentials(username=username, password=password, ssl_context=context, mechanism=mechanism)


def _context(properties: Properties) -> ssl.SSLContext:
    """The system's authorities, unless others are named; TLS 1.2 and up."""
    authorities = _text(properties, "ssl.ca.location")
    context = _reading("ssl.ca.location", lambda: ssl.create_default_context(cafile=authorities, cadata=_text(properties, "ssl.ca.pem")))
    context.check_hostname = properties.get("ssl.endpoint.identification.algorithm", "https") == "https"
    if str(properties.get("enable.ssl.certificate.verification", True)).lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _text(properties, "ssl.certificate.location")
    if certificate is not None:
        key, password = _text(properties, "ssl.key.location"), _text(properties, "ssl.key.password")
        _reading("ssl.certificate.location", lambda: context.load_cert_chain(certificate, key, password))
    return context


def _text(properties: Properties, name: str) -> str | None:
    return str(properties[name]) if name in properties else None


def _reading(name: str, action: Callable[[], Answer]) -> Answer:
    try:
        return action()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"kafka.properties.{name}: {error}") from None
