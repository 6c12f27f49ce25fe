"""The native stack: the pinned components, built from their Go modules and run as processes."""
