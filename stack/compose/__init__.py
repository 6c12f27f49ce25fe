"""docker-compose.yml on a real engine: the one that is there, or Debian's, started for the test."""
