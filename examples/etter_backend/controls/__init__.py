"""What the demo turns while the backend runs: faults and features, the same in every worker."""
