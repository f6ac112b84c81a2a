"""Real senders: instrumented applications, an engine, a Collector, beside what they sent."""
