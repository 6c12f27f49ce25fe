"""What helps users test their own instrumented apps: a pytest plugin and asserting helpers.

The plugin comes with the package. Its fixtures are ``observe``, ``obs_logs``, ``obs_spans`` and
``obs_metrics``; a test that names none of them runs as if the package were not there.
"""
