"""What figures come to against their limits, and which alerts that makes pending."""
