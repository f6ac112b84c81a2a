"""How often answers fail: rates with their intervals, labels of people, and alarms."""
