"""The rules that keep secrets out of logs, spans, error reports and health responses."""
