"""A stand-in for Azure Container Registry on one machine."""
