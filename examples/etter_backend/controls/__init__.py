"""Switches of the demo, shared by all workers: faults and features."""
