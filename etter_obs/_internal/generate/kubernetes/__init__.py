"""The service on Kubernetes: a Kustomize base, and an overlay for each environment."""
