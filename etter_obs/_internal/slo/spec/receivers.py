"""Receivers of notifications, and the links that notifications contain."""

from __future__ import annotations

from pydantic import Field

from etter_obs._internal.slo.spec.fields import BaseUrl, Model, SecretFile, Smarthost, Text


class Slack(Model):
    """A Slack channel, through an incoming webhook."""

    channel: Text
    url_file: SecretFile


class PagerDuty(Model):
    """A PagerDuty service, through the Events API v2."""

    routing_key_file: SecretFile


class Email(Model):
    """E-mail over SMTP."""

    to: Text
    from_: Text = Field(alias="from")
    smarthost: Smarthost
    username: Text | None = None
    password_file: SecretFile | None = None


class Teams(Model):
    """A Microsoft Teams channel, through the webhook of a workflow."""

    url_file: SecretFile


class Webhook(Model):
    """An HTTP endpoint that accepts Alertmanager's JSON."""

    url_file: SecretFile


class Receiver(Model):
    """Where notifications go; each entry receives its own."""

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
        description="A dead man's switch outside this stack, for the heartbeat.",
    )


class TeamReceivers(Model):
    """A team's own receivers; the common ones replace a missing one."""

    page: Receiver | None = None
    ticket: Receiver | None = None


class Links(Model):
    """Base addresses of the links in every notification."""

    grafana: BaseUrl = "http://localhost:3000"
    runbooks: BaseUrl | None = Field(
        default=None, description="Address that serves alerts/runbooks; notifications link to it."
    )
