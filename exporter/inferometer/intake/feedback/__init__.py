"""Where people's votes come in: POST /v1/feedback, on a listener of its own."""
