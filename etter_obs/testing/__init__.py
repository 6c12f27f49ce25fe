"""Helpers for testing instrumented apps: a pytest plugin and assertions.

The plugin is part of the package. Its fixtures are ``observe``, ``obs_logs``, ``obs_spans`` and
``obs_metrics``; it does not affect a test that uses none of them.
"""
