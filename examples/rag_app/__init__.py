"""A chat that answers from a folder of Markdown pages, instrumented with OpenTelemetry."""
