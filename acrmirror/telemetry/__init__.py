"""What the app tells of its work as a whole: OpenTelemetry metrics, made from the records of jobs as these end."""

from acrmirror.telemetry.telemetry import Telemetry

__all__ = ["Telemetry"]
