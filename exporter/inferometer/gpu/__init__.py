"""GPUs through NVML: read in the background, and shown from the last snapshot of each."""
