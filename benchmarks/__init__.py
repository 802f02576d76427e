"""Every figure in the README, one file each: `python -m benchmarks.NAME`."""
