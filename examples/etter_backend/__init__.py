"""The guide's backend in small: the app that the demo and the end-to-end tests observe."""
