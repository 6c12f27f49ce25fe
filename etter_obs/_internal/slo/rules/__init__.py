"""Recording rules, and the PromQL of each SLI."""
