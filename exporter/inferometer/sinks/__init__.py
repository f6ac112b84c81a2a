"""Facts out: what is made of counted calls and steps for others to read."""
