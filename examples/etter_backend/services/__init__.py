"""What the backend does, apart from HTTP: one module for each resource."""
