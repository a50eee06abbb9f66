"""Metrics on their way to Application Insights, signed in for as the app itself.

A provider of the app's own rather than the worker's (`PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY`), which would be
imported at every cold start, and would follow each of the thousands of requests of a layer, signed URLs included.
"""

from azure.core.credentials import TokenCredential
from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from acrmirror.settings import Settings
from acrmirror.transport import make_transport


def make_provider(settings: Settings, credential: TokenCredential) -> MeterProvider:
    """Sends what was counted every `telemetry_seconds`, from a thread of its own.

    What can't be sent after two attempts is dropped. Raises ValueError for a connection string that is none.
    """
    exporter = AzureMonitorMetricExporter(
        connection_string=settings.telemetry,
        credential=credential,
        transport=make_transport(settings.trust_bundle, 2),
        retry_total=1,
        disable_offline_storage=True,
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=settings.telemetry_seconds * 1000)
    return MeterProvider([reader], shutdown_on_exit=False)
