"""Proof: audits that read again what is in the mirror, mend what they can, and report the rest."""
