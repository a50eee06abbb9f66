"""The source: reads an Azure Container Registry, over its SDK and the storage that it redirects to."""

from acrmirror.registry.client import Registry
from acrmirror.registry.policy import OnRequest
from acrmirror.registry.reader import BlobReader
from acrmirror.registry.values import ListedManifest, ListedTag, ManifestBytes, Resolved

__all__ = ["BlobReader", "ListedManifest", "ListedTag", "ManifestBytes", "OnRequest", "Registry", "Resolved"]
