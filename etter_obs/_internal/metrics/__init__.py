"""The app's metrics: capped families, shared among workers, exposed without blocking the loop."""
