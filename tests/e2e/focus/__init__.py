"""The official validator of FOCUS, in an environment of its own."""
