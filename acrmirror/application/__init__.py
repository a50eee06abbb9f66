"""The use cases behind the triggers."""

from acrmirror.application.mirror import Mirror

__all__ = ["Mirror"]
