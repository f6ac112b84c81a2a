"""What becomes of the definitions: one module for each kind of file that is generated."""
