"""Benchmarks: our engine beside the SDK's own loop, crane and skopeo, on the same data in one run."""
