"""From definitions to files."""
