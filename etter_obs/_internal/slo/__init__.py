"""The SLO engine: one spec in; rules, alerts, routing, runbooks, dashboards and their tests out.

Import from its modules. The app needs only ``slo/loading/loader.py`` (and through it
pydantic and PyYAML); everything that writes files is imported by the command line alone.
"""
