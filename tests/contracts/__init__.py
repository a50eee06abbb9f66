"""What the ports of copying promise, as suites that run over every implementation."""

from tests.contracts.claims import ClaimsContract
from tests.contracts.mirrors import TargetBed
from tests.contracts.sources import PAGE, SourceBed, SourceContract
from tests.contracts.targets import TargetContract

__all__ = ["PAGE", "ClaimsContract", "SourceBed", "SourceContract", "TargetBed", "TargetContract"]
