"""The closed schema of the chart's values: its own keys, and the exporter's configuration."""
