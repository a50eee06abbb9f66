"""Mirrors container images from Azure Container Registry into Blob Storage, byte for byte."""
