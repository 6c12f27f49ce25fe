"""Alerts, their routing in Alertmanager, and their runbooks."""
