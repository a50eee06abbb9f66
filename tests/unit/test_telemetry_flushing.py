"""When metrics are sent, beside their interval."""

import threading
from collections.abc import Callable

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)

from acrmirror.telemetry import Telemetry
from acrmirror.telemetry.flushing import Flushing


class Sendings:
    """How often something was sent."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def reach(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, 30)


def ended(flushing: Flushing) -> bool:
    flushing.close()
    flushing._thread.join(30)
    return not flushing._thread.is_alive()


def test_the_first_is_sent_at_once_and_what_follows_closely_waits_for_its_turn() -> None:
    sent = Sendings()
    flushing = Flushing(sent, pace=3600)
    flushing.ask()
    assert sent.reach(1)
    for _ in range(5):
        flushing.ask()
    assert ended(flushing)
    assert sent.count == 1


def test_what_was_asked_meanwhile_is_sent_together() -> None:
    sent = Sendings()
    flushing = Flushing(sent, pace=0.01)
    for number in (1, 2, 3):
        flushing.ask()
        assert sent.reach(number)
    assert ended(flushing)


class Kept(MetricExporter):
    """What was exported; the exporter of a test."""

    def __init__(self, told: Callable[[], None]) -> None:
        super().__init__()
        self._told = told

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: object) -> MetricExportResult:
        del metrics_data, timeout_millis
        self._told()
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 0, **_: object) -> None:
        del timeout_millis


@pytest.mark.parametrize("flushes", [True, False])
def test_a_run_that_has_ended_is_told_of_long_before_the_next_interval(flushes: bool) -> None:
    sent = Sendings()

    def make_provider() -> MeterProvider:
        reader = PeriodicExportingMetricReader(Kept(sent), export_interval_millis=3_600_000)
        return MeterProvider([reader], shutdown_on_exit=False)

    telemetry = Telemetry(make_provider, flushes=flushes)
    telemetry.run_ended({"kind": "pull", "state": "done"})
    if flushes:
        assert sent.reach(1)
    else:
        assert sent.count == 0
    telemetry.close()


def test_a_sending_that_fails_is_told_of_and_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(MeterProvider):
        def force_flush(self, timeout_millis: float = 0) -> bool:
            del timeout_millis
            told.set()
            raise OSError("no way out")

    told = threading.Event()
    telemetry = Telemetry(Failing, flushes=True)
    telemetry.run_ended({"kind": "pull", "state": "done"})
    assert told.wait(30)
    assert telemetry._flushing is not None
    assert ended(telemetry._flushing)
    telemetry.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
