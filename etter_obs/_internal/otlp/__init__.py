"""What spans and log lines share on their way out by OTLP: resource, transport, delivery."""
