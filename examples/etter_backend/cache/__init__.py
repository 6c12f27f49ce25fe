"""The cache: its client, lifetimes and invalidation."""
