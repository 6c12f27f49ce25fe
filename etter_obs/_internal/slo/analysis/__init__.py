"""What the ``etter-obs slo`` commands report about a spec, a Prometheus or a load test."""
