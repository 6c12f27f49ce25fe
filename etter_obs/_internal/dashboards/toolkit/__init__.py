"""What dashboards are made of: panels, queries, variables, thresholds, links."""
