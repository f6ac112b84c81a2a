"""Inference engines: their own metrics pages, translated into one vocabulary."""
