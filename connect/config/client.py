"""Which literal Kafka client settings may stand under ``kafka.client``, and why the others may not (F91, F166)."""

from __future__ import annotations

from typing import Final

ALLOWED: Final = frozenset(
    {
        "broker.address.family",
        "broker.address.ttl",
        "client.dns.lookup",
        "client.id",
        "client.rack",
        "connections.max.idle.ms",
        "metadata.max.age.ms",
        "metadata.recovery.strategy",
        "metadata.recovery.rebootstrap.trigger.ms",
        "receive.message.max.bytes",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "sasl.kerberos.keytab",
        "sasl.kerberos.principal",
        "sasl.kerberos.service.name",
        "socket.connection.setup.timeout.ms",
        "socket.keepalive.enable",
        "socket.max.fails",
        "socket.receive.buffer.bytes",
        "socket.send.buffer.bytes",
        "socket.timeout.ms",
        "ssl.cipher.suites",
        "ssl.crl.location",
        "ssl.curves.list",
        "ssl.sigalgs.list",
        "topic.metadata.refresh.interval.ms",
    }
)

_EXACTLY_ONCE: Final = "the worker sets it: exactly once rests on it"
_CODE: Final = "it loads or runs code, or calls an address of its own"
_OWN_PLACE: Final = "it has a place of its own: kafka.bootstrap or kafka.security"
_UNSAFE: Final = "it turns off the check of the broker's certificate"

_REASONS: Final = {
    "acks": _EXACTLY_ONCE,
    "request.required.acks": _EXACTLY_ONCE,
    "auto.offset.reset": _EXACTLY_ONCE,
    "enable.auto.commit": _EXACTLY_ONCE,
    "enable.auto.offset.store": _EXACTLY_ONCE,
    "enable.idempotence": _EXACTLY_ONCE,
    "enable.gapless.guarantee": _EXACTLY_ONCE,
    "group.id": _EXACTLY_ONCE,
    "group.instance.id": _EXACTLY_ONCE,
    "isolation.level": _EXACTLY_ONCE,
    "max.in.flight": _EXACTLY_ONCE,
    "max.in.flight.requests.per.connection": _EXACTLY_ONCE,
    "message.send.max.retries": _EXACTLY_ONCE,
    "partitioner": _EXACTLY_ONCE,
    "retries": _EXACTLY_ONCE,
    "transaction.timeout.ms": _EXACTLY_ONCE,
    "transactional.id": _EXACTLY_ONCE,
    "debug": "it prints credentials and records",
    "plugin.library.paths": _CODE,
    "sasl.jaas.config": _CODE,
    "sasl.kerberos.kinit.cmd": _CODE,
    "ssl.engine.location": _CODE,
    "ssl.providers": _CODE,
    "bootstrap.servers": _OWN_PLACE,
    "metadata.broker.list": _OWN_PLACE,
    "sasl.mechanism": _OWN_PLACE,
    "sasl.mechanisms": _OWN_PLACE,
    "sasl.password": _OWN_PLACE,
    "sasl.username": _OWN_PLACE,
    "security.protocol": _OWN_PLACE,
    "enable.ssl.certificate.verification": _UNSAFE,
    "ssl.endpoint.identification.algorithm": _UNSAFE,
}
_PREFIX_REASONS: Final = {
    "sasl.oauthbearer.": f"{_CODE}; kafka.security.sasl.oidc has what is safe",
    "ssl.": _OWN_PLACE,
}
_COMMAND_SUFFIXES: Final = (".cmd", ".command")


def refusal(setting: str) -> str | None:
    """Why a setting may not stand under ``kafka.client``; None for one that may."""
    if setting in ALLOWED:
        return None
    if setting in _REASONS:
        return _REASONS[setting]
    if setting.endswith(_COMMAND_SUFFIXES):
        return _CODE
    for prefix, reason in _PREFIX_REASONS.items():
        if setting.startswith(prefix):
            return reason
    return "it is not among the settings that pass through"
