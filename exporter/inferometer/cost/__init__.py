"""What GPUs and the fleet cost, accrued per second; budgets and limits."""
