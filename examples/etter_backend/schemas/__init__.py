"""Bodies of requests and responses: one module per resource."""
