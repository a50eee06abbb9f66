"""Blob, Table and Queue Storage behind thin ports, which own the SDKs and turn their errors into the mirror's own."""

from azure.core.credentials import TokenCredential

from acrmirror.storage.container import PUT_LIMIT, Container, Content, Head, Item, Page, Stream
from acrmirror.storage.outcome import Lost, Outcome, Written
from acrmirror.storage.queue import Depth, Queue
from acrmirror.storage.signing import SignedUrl
from acrmirror.storage.table import Change, Entity, Table

__all__ = [
    "PUT_LIMIT",
    "Change",
    "Container",
    "Content",
    "Depth",
    "Entity",
    "Head",
    "Item",
    "Lost",
    "Outcome",
    "Page",
    "Queue",
    "SignedUrl",
    "Stream",
    "Table",
    "TokenCredential",
    "Written",
]
