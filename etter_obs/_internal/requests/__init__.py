"""A request's way through: middleware → exchange or connection → recorder → metrics, span, line."""
