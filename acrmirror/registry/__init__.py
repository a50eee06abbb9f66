"""Reads an Azure Container Registry, over its SDK and the storage that it redirects to, and pushes to one."""

from acrmirror.registry.blob_reader import BlobReader
from acrmirror.registry.limits import Limits
from acrmirror.registry.policy import OnRequest
from acrmirror.registry.redirects import Redirects
from acrmirror.registry.registry import Registry
from acrmirror.registry.session import Session
from acrmirror.registry.target import Elsewhere, RegistryTarget
from acrmirror.registry.values import ListedManifest, ListedTag, ManifestBytes, Resolved

__all__ = [
    "BlobReader",
    "Elsewhere",
    "Limits",
    "ListedManifest",
    "ListedTag",
    "ManifestBytes",
    "OnRequest",
    "Redirects",
    "Registry",
    "RegistryTarget",
    "Resolved",
    "Session",
]
