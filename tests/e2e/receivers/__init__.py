"""Who receives what is passed on: strict receivers of ours, and the real programs."""
