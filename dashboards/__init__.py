"""What Grafana shows: definitions only."""
