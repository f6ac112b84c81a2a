"""Talks that a hostile client may have with a gateway, and an account of what must count."""
