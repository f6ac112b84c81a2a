"""How bodies of OTLP are read, for a person who wonders why a figure is missing."""
