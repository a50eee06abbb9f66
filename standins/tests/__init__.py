"""Tests of the stand-ins alone: they need no app."""
