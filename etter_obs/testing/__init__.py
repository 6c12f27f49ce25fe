"""What helps users test their own instrumented apps: a pytest plugin and asserting helpers."""
