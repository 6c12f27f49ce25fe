"""Observability for FastAPI services: one call, one spec, one stack."""
