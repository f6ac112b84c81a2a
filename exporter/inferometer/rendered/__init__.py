"""Text of series, kept from page to page: made anew only where a value has changed."""
