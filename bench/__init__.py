"""What watching costs, against what else could watch: `make bench` prints every figure."""
