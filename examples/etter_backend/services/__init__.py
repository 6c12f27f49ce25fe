"""Business logic without HTTP: one module per resource."""
