"""Elasticsearch's side of the request log, in the stead of a cluster."""
