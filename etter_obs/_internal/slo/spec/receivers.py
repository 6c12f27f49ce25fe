"""Receivers of alerts, and what every notification links to."""

from __future__ import annotations

from pydantic import Field

from etter_obs._internal.slo.spec.fields import BaseUrl, Model, SecretFile, Smarthost, Text


class Slack(Model):
    """A Slack channel, by an incoming webhook."""

    channel: Text
    url_file: SecretFile


class PagerDuty(Model):
    """A PagerDuty service, by the Events API v2."""

    routing_key_file: SecretFile


class Email(Model):
    """Mail by SMTP."""

    to: Text
    from_: Text = Field(alias="from")
    smarthost: Smarthost
    username: Text | None = None
    password_file: SecretFile | None = None


class Teams(Model):
    """A Microsoft Teams channel, by a workflow's webhook."""

    url_file: SecretFile


class Webhook(Model):
    """Any HTTP receiver of Alertmanager's JSON."""

    url_file: SecretFile


class Receiver(Model):
    """Where a notification goes; several at once are several notifications."""

    slack: Slack | None = None
    pagerduty: PagerDuty | None = None
    email: Email | None = None
    teams: Teams | None = None
    webhook: Webhook | None = None


class Receivers(Model):
    """Receivers by severity."""

    page: Receiver
    ticket: Receiver
    watchdog: Receiver | None = Field(
        default=None,
        description="A dead man's switch outside this stack; it calls when the heartbeat stops.",
    )


class TeamReceivers(Model):
    """A team's own receivers; what is missing goes to the common one."""

    page: Receiver | None = None
    ticket: Receiver | None = None


class Links(Model):
    """Where people open things; they stand in every notification."""

    grafana: BaseUrl = "http://localhost:3000"
    runbooks: BaseUrl | None = Field(
        default=None, description="Where alerts/runbooks is published; a notification links there."
    )
