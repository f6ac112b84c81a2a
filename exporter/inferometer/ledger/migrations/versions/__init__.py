"""Each migration makes the file of one version from that of the one before."""
