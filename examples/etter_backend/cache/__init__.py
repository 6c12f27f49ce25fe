"""The cache: its client, lifetimes, and what makes results stale."""
