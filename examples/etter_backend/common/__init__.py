"""Shared by routes and services: errors, pages, fields, texts, calls of other services."""
