"""Drills: a gateway under load meets a fault, and nothing may be lost or counted twice."""
