"""The path of a request: middleware → exchange or connection → recorder → metrics, span, line."""
