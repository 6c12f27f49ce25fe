"""The spec: typed, frozen models of slo.yaml, and the alert policy as data."""
