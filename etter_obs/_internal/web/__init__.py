"""The built pages, and what serves them."""
