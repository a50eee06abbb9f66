"""In sync: what the mirror lacks is found by comparing, and requested."""
