"""From slo.yaml to a validated spec, or to one error with its line."""
