"""The page a person reads: content gathered from a scrape's families, then HTML with plots."""
