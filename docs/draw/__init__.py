"""Pictures of the dashboards where no Grafana runs: their own queries, drawn by Matplotlib."""
