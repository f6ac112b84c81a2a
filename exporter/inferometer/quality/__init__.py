"""What is made of what models answered: whether it can be read, fits, and is an answer at all."""
