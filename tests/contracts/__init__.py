"""What the ports of copying promise, as suites that run over every implementation."""

from tests.contracts.blobs import ContentContract
from tests.contracts.claims import ClaimsContract
from tests.contracts.mirrors import ContentBed, TargetBed
from tests.contracts.sources import PAGE, RegistryBed, RegistryContract, SourceBed, SourceContract
from tests.contracts.targets import TargetContract

__all__ = [
    "PAGE",
    "ClaimsContract",
    "ContentBed",
    "ContentContract",
    "RegistryBed",
    "RegistryContract",
    "SourceBed",
    "SourceContract",
    "TargetBed",
    "TargetContract",
]
