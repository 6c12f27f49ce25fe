"""The kinds of SLI, one module each."""
