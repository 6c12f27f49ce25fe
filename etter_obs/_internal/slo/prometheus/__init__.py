"""Clients of promtool and of Prometheus's HTTP API."""
