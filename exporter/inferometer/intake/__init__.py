"""The gateway's doors: telemetry of applications is kept before it is acknowledged."""
