"""A small backend with the routes of a real one: the demo and end-to-end tests observe it."""
