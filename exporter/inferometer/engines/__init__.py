"""Inference engines: their own metrics pages, said in one vocabulary."""
