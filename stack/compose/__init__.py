"""docker-compose.yml on a real engine: the running one, or Debian's, started for the test."""
