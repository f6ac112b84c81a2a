"""Spans of applications to facts: decoded, read by tables, and each call found once."""
