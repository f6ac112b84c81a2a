"""GPUs through NVML: read in the background, served from a snapshot."""
