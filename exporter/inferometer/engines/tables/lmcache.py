"""LMCache beside an engine: what the engine asked of it, and what it found.

From lmcache/observability.py and v1/config.py (0.5.6). Its families stand on the engine's page; a
page of its own is no engine's. Every worker of a tensor-parallel engine may be asked for the same
tokens: the first, which is always asked, tells of them once.
"""

from inferometer.engines.sources import Selector

FIRST = {"worker_id": ("0",)}
QUERIES = Selector("lmcache:num_lookup_tokens_total", where=FIRST)
HITS = Selector("lmcache:num_lookup_hits_total", where=FIRST)
