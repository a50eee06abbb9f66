"""Giving it back: restores of what is in the mirror, into registries that settings name."""
