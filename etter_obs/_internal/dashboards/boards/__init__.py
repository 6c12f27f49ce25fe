"""One module for each dashboard: which panels it has and what they show."""
