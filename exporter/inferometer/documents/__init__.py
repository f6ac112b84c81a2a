"""Documents from outside, read strictly: YAML and JSON in, checked values or all mistakes out."""
