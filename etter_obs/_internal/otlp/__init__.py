"""The parts of OTLP that spans and log lines share: resource, transport, delivery."""
