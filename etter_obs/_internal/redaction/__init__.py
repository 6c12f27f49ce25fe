"""One set of rules that keeps secrets out of logs, spans, error reports and health answers."""
