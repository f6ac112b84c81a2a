"""The page a person reads: facts gathered from a scrape's families, then HTML with plots."""
