"""Judging: which answers a judge sees, what it is asked, what that costs, and what it says."""
