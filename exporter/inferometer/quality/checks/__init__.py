"""What each answer is looked at for: what it states, what it cites, whether it is one at all."""
