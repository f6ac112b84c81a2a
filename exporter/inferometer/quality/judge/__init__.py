"""A judge of answers: a model that is asked whether another one's answer is a good one."""
