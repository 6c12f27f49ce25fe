"""Alertmanager's configuration: receivers, grouping and inhibition.

Files contain the secrets; Alertmanager resolves their paths from its working directory, the
project's folder.
"""

from __future__ import annotations

from typing import Any, Final

from etter_obs._internal.conventions import Alert, Label
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.policy import Severity
from etter_obs._internal.slo.spec.receivers import Receiver
from etter_obs._internal.text.yaml import yaml_document

PATH: Final = "alerts/alertmanager.yml"
_BY_SLO: Final = [Label.SERVICE, Label.ENVIRONMENT, Label.SLO]
_SLO_UNKNOWN: Final = f"{Alert.SLO_NO_DATA}|{Alert.SLO_NO_TRAFFIC}|{Alert.SLO_MISSING_BUCKET}"
_WATCHDOG: Final = "watchdog"

# A page goes out within seconds and its resolution within a minute. A ticket waits to be grouped.
_PAGE_TIMES: Final = {"group_wait": "5s", "group_interval": "1m", "repeat_interval": "4h"}
_TICKET_TIMES: Final = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "1d"}
_WATCHDOG_TIMES: Final = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "5m"}


def alertmanager(spec: Spec) -> dict[str, str]:
    """Return the file with Alertmanager's configuration."""
    return {PATH: yaml_document(configuration(spec))}


def configuration(spec: Spec) -> dict[str, Any]:
    """Return Alertmanager's configuration; every service of the file shares the receivers."""
    return {
        "global": {"resolve_timeout": "5m"},
        "templates": ["templates/*.tmpl"],
        "route": _route(spec),
        "inhibit_rules": _inhibitions(),
        "receivers": _receivers(spec),
    }


def _route(spec: Spec) -> dict[str, object]:
    return {
        "receiver": Severity.TICKET.value,
        "group_by": _BY_SLO,
        **_TICKET_TIMES,
        "routes": [
            {
                "receiver": _WATCHDOG,
                "matchers": [f'{Label.ALERTNAME}="{Alert.WATCHDOG}"'],
                "group_by": [Label.ALERTNAME],
                **_WATCHDOG_TIMES,
            },
            _severity_route(spec, Severity.PAGE, _PAGE_TIMES),
            # One cause often affects many SLOs at once: send one notification.
            {
                "matchers": [f'{Label.ALERTNAME}=~"{_SLO_UNKNOWN}"'],
                "group_by": [Label.ALERTNAME, Label.SERVICE, Label.ENVIRONMENT],
                "routes": _team_routes(spec, Severity.TICKET),
            },
            _severity_route(spec, Severity.TICKET, {}),
        ],
    }


def _severity_route(spec: Spec, severity: Severity, times: dict[str, str]) -> dict[str, object]:
    return {
        "receiver": severity.value,
        "matchers": [f'{Label.SEVERITY}="{severity}"'],
        **times,
        "routes": _team_routes(spec, severity),
    }


def _team_routes(spec: Spec, severity: Severity) -> list[dict[str, object]]:
    return [
        {"receiver": _team_receiver(team, severity), "matchers": [f'{Label.TEAM}="{team}"']}
        for team, own in sorted(spec.teams.items())
        if getattr(own, severity) is not None
    ]


def _team_receiver(team: str, severity: Severity) -> str:
    return f"{team}/{severity}"


def _inhibitions() -> list[dict[str, object]]:
    # `equal` treats two missing labels as equal, so each rule about an SLO requires its label.
    has_slo = f'{Label.SLO}=~".+"'
    any_burn = f'{Label.ALERTNAME}=~"{Alert.burn_rate("", "")}.+"'
    pages = f'{Label.ALERTNAME}=~"{Alert.burn_rate(Severity.PAGE, "")}.+"'
    tickets = f'{Label.ALERTNAME}=~"{Alert.burn_rate(Severity.TICKET, "")}.+"'
    return [
        {
            "source_matchers": [pages, has_slo],
            "target_matchers": [tickets, has_slo],
            "equal": _BY_SLO,
        },
        {
            "source_matchers": [f'{Label.ALERTNAME}="{Alert.SLO_NO_DATA}"', has_slo],
            "target_matchers": [any_burn, has_slo],
            "equal": _BY_SLO,
        },
        {
            "source_matchers": [f'{Label.ALERTNAME}="{Alert.SERVICE_DOWN}"'],
            "target_matchers": [has_slo],
            "equal": [Label.SERVICE, Label.ENVIRONMENT],
        },
    ]


def _receivers(spec: Spec) -> list[dict[str, object]]:
    receivers = [
        _receiver(Severity.PAGE.value, spec.receivers.page),
        _receiver(Severity.TICKET.value, spec.receivers.ticket),
        # Without a receiver nothing gets the heartbeat; `etter-obs slo check` reports it.
        _receiver(_WATCHDOG, spec.receivers.watchdog or Receiver(), resolved=False),
    ]
    for team, own in sorted(spec.teams.items()):
        for severity in Severity:
            receiver = getattr(own, severity)
            if receiver is not None:
                receivers.append(_receiver(_team_receiver(team, severity), receiver))
    return receivers


def _receiver(name: str, receiver: Receiver, *, resolved: bool = True) -> dict[str, object]:
    result: dict[str, object] = {"name": name}
    common: dict[str, object] = {"send_resolved": resolved}
    title, text = _template("title"), _template("text")
    if (slack := receiver.slack) is not None:
        result["slack_configs"] = [
            common
            | {
                "api_url_file": slack.url_file,
                "channel": slack.channel,
                "color": _template("colour"),
                "title": title,
                "title_link": _template("dashboard"),
                "fallback": title,
                "text": text,
                "actions": [
                    {"type": "button", "text": label, "url": _template(link)}
                    for label, link in (
                        ("Dashboard", "dashboard"),
                        ("Runbook", "runbook"),
                        ("Silence", "silence"),
                    )
                ],
            }
        ]
    if (pagerduty := receiver.pagerduty) is not None:
        result["pagerduty_configs"] = [
            common
            | {
                "routing_key_file": pagerduty.routing_key_file,
                "severity": _template("urgency"),
                "description": title,
                "details": {"text": text},
                "links": [
                    {"text": label, "href": _template(link)}
                    for label, link in (("Dashboard", "dashboard"), ("Silence", "silence"))
                ],
            }
        ]
    if (email := receiver.email) is not None:
        result["email_configs"] = [
            common
            | {"to": email.to, "from": email.from_, "smarthost": email.smarthost}
            | ({"auth_username": email.username} if email.username else {})
            | ({"auth_password_file": email.password_file} if email.password_file else {})
            | {"headers": {"Subject": title}, "text": text, "html": _template("html")}
        ]
    if (teams := receiver.teams) is not None:
        result["msteamsv2_configs"] = [
            common | {"webhook_url_file": teams.url_file, "title": title, "text": text}
        ]
    if (webhook := receiver.webhook) is not None:
        result["webhook_configs"] = [common | {"url_file": webhook.url_file, "max_alerts": 100}]
    return result


def _template(name: str) -> str:
    return f'{{{{ template "etter.{name}" . }}}}'
