"""The storage-queue trigger: polling, leases, dequeue counts, poison queues.

After the platform's queue extension (Microsoft.Azure.WebJobs.Extensions.Storage.Queues; QueueListener.cs and
QueueProcessor.cs are meant by their names below) and
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger.

A listener belongs to one instance. While its host lives, it renews the leases of what that runs. What storage answers
decides whether the host can go on (storage.py); where it can't, what is running is awaited, and settled if that is
possible. Everything else comes back when its lease is over: no message is lost by it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from standins.functions.backoff import Backoff
from standins.functions.calls import FunctionFailed, InstanceLost
from standins.functions.counts import Counts
from standins.functions.hostjson import MINIMUM_POLLING_INTERVAL, QueueOptions
from standins.functions.instance import Instance
from standins.functions.messages import Held, content_of, metadata, payload
from standins.functions.metadata import Function
from standins.functions.storage import HostStops, brief, code_of, insist, is_gone, is_passing
from standins.functions.wire import Call, Outcome

# QueueListener.cs: the visibility timeout of what it receives; `--lease` makes it shorter for tests.
LEASE = 600
# QueueListenerFactory.cs
POISON_SUFFIX = "-poison"
_LOOK_AGAIN = 0.2  # how soon a worker is looked at that is stalled, or not up
_PARTING = 1.0  # how long a renewal may take to end that nobody waits for any more


@dataclass(frozen=True, slots=True)
class Source:
    """A function's queue as one host sees it. `poison` is None for a queue that is a poison queue itself."""

    function: Function
    queue: QueueClient
    poison: QueueClient | None
    options: QueueOptions
    lease: int


class QueueListener:
    """One instance's loop over one queue."""

    def __init__(self, source: Source, instance: Instance, counts: Counts, log: Callable[[str], None]) -> None:
        self._source = source
        self._instance = instance
        self._counts = counts
        self._log = log
        self._stopping = threading.Event()
        self._freed = threading.Condition()
        self._in_flight = 0
        self._exists = False
        name = f"{source.function.name} on {instance.number}"
        self._thread = threading.Thread(target=self._listen, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Polls no more. What is in flight ends with its host."""
        self._stopping.set()
        with self._freed:
            self._freed.notify_all()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(10)

    def _listen(self) -> None:
        options = self._source.options
        backoff = Backoff(MINIMUM_POLLING_INTERVAL, options.max_polling_interval)
        found = False
        with ThreadPoolExecutor(options.concurrency, thread_name_prefix=self._thread.name) as threads:
            while not self._stopping.is_set():
                if not self._instance.ready or self._instance.frozen():
                    self._stopping.wait(_LOOK_AGAIN)
                    self._exists = self._exists and self._instance.ready
                    continue
                try:
                    batch = self._receive()
                except HostStops as stop:
                    self._end_host(stop)
                    continue
                if not batch:
                    self._stopping.wait(backoff.next(found))
                    found = False
                    continue
                found = True
                for held, content in batch:
                    with self._freed:
                        self._in_flight += 1
                    threads.submit(self._process, held, content).add_done_callback(self._free)
                self._wait_for_new_batch_threshold()

    def _end_host(self, stop: HostStops) -> None:
        self._instance.end(f"the listener for function '{self._source.function.name}' can't go on: {stop}")

    def _receive(self) -> list[tuple[Held, bytes]]:
        """One batch: whatever is no base64 goes to the poison queue first. Raises `HostStops`."""
        source = self._source
        try:
            if not self._exists:
                source.queue.get_queue_properties()
                self._exists = True
            pages = source.queue.receive_messages(
                messages_per_page=source.options.batch_size, visibility_timeout=source.lease
            )
            messages = list(next(pages.by_page(), ()))  # one page is one request
        except AzureError as error:
            self._exists = False
            if not is_passing(error):
                raise HostStops(brief(error)) from error
            # The host never makes the main queue: it polls on until somebody does.
            if code_of(error) != (404, "QueueNotFound"):
                self._log(f"[queue {source.queue.queue_name}] could not be polled: {brief(error)}")
            return []
        with self._instance.settling():
            batch = [(held, content_of(held, encoded=source.options.base64)) for held in map(Held, messages)]
            for held, content in batch:
                if content is None:
                    self._poison(held)
        return [(held, content) for held, content in batch if content is not None]

    def _wait_for_new_batch_threshold(self) -> None:
        with self._freed:
            while self._in_flight > self._source.options.new_batch_threshold and not self._stopping.is_set():
                self._freed.wait()

    def _free(self, done: Future[None]) -> None:
        with self._freed:
            self._in_flight -= 1
            self._freed.notify_all()
        if (error := done.exception()) is not None:
            self._log(f"[queue {self._source.queue.queue_name}] {type(error).__name__}: {error}")

    def _process(self, held: Held, content: bytes) -> None:
        with self._instance.settling():
            try:
                self._run(held, content)
            except HostStops as stop:
                self._end_host(stop)

    def _run(self, held: Held, content: bytes) -> None:
        source = self._source
        try:
            body = payload(content, source.function.trigger.get("dataType"))
        except UnicodeDecodeError as error:
            # A string parameter can't be bound to it: that is a function that failed.
            self._log(f"[queue {source.queue.queue_name}] {held.id} is not UTF-8: {error}")
            self._failed(held)
            return
        # QueueProcessor.BeginProcessingMessageAsync: past the count it never runs again.
        if held.dequeue_count > source.options.max_dequeue_count:
            self._poison(held)
            return
        call = Call(source.function.name, source.function.parameter, body, metadata(held, body), held.id)
        try:
            self._await(self._instance.submit(call), held)
        except InstanceLost:
            return  # the host that held the lease is gone: it just runs out
        except FunctionFailed:
            self._failed(held)
        else:
            self._delete(held)

    def _await(self, answer: Future[Outcome], held: Held) -> Outcome:
        """The answer, while the lease is renewed. A host that can't renew it ends, and waits for the answer as well."""
        while True:
            try:
                # QueueListener.CreateUpdateMessageVisibilityTimer: renewed when it is halfway to expiring.
                return answer.result(self._source.lease / 2)
            except NotYet:
                while self._instance.frozen() and not answer.done():
                    time.sleep(_LOOK_AGAIN)
            if held.ours and not answer.done():
                self._renew(held, answer)

    def _renew(self, held: Held, answer: Future[Outcome]) -> None:
        """Beside the run: where that ends first, the renewal is given up."""
        cancelled = threading.Event()
        done: Future[str] = Future()

        def ask() -> None:
            try:
                renewed = self._source.queue.update_message(
                    held.id, held.receipt, visibility_timeout=self._source.lease, cancelled=cancelled
                )
                done.set_result(str(renewed.pop_receipt))
            except AzureError as error:
                done.set_exception(error)

        threading.Thread(target=ask, name=f"renew {held.id}", daemon=True).start()
        either: tuple[Future[Any], ...] = (answer, done)
        wait(either, return_when=FIRST_COMPLETED)
        if answer.done():
            cancelled.set()
        try:
            with suppress(NotYet):
                held.receipt = done.result(_PARTING if answer.done() else None)
                self._counts.note(self._source.function.name, "renewed")
        except AzureError as error:
            if not answer.done():
                self._not_renewed(held, error)

    def _not_renewed(self, held: Held, error: AzureError) -> None:
        """The same host may run it a second time when its lease is over, beside the first run."""
        held.ours = False
        self._counts.note(self._source.function.name, "leases_lost")
        self._log(f"[queue {self._source.queue.queue_name}] lease of {held.id} not renewed: {brief(error)}")
        if not is_gone(error):
            self._end_host(HostStops(f"renew: {brief(error)}"))

    def _failed(self, held: Held) -> None:
        """QueueProcessor.CompleteProcessingMessageAsync, for a function that did not succeed."""
        source = self._source
        if source.poison is None:
            return  # left invisible until its lease ends, which keeps it from coming back at once for ever
        if held.dequeue_count >= source.options.max_dequeue_count:
            self._poison(held)
            return
        delay = math.ceil(source.options.visibility_timeout)
        self._settle(
            held,
            "release",
            lambda: source.queue.update_message(held.id, held.receipt, visibility_timeout=delay),
        )

    def _poison(self, held: Held) -> None:
        source, poison = self._source, self._source.poison
        if poison is None:
            return
        self._log(
            f"[queue {source.queue.queue_name}] {held.id} was dequeued {held.dequeue_count} times: "
            f"moved to {poison.queue_name}"
        )
        content = held.message.content
        missing = insist(lambda: poison.send_message(content), _is_missing, "put to poison")
        if missing is not None:
            insist(poison.create_queue, _is_there, "make the poison queue")
            insist(lambda: poison.send_message(content), lambda _: False, "put to poison")
        self._counts.note(source.function.name, "poisoned")
        self._delete(held)

    def _delete(self, held: Held) -> None:
        self._settle(held, "delete", lambda: self._source.queue.delete_message(held.id, held.receipt))

    def _settle(self, held: Held, what: str, operation: Callable[[], object]) -> None:
        error = insist(operation, lambda error: is_gone(error) or code_of(error)[0] == 404, what)
        if error is not None:
            self._counts.note(self._source.function.name, "taken_over")
            self._log(f"[queue {self._source.queue.queue_name}] {held.id} is another's by now: {brief(error)}")


def _is_missing(error: AzureError) -> bool:
    return code_of(error) == (404, "QueueNotFound")


def _is_there(error: AzureError) -> bool:
    """Somebody else has made it meanwhile."""
    return code_of(error)[0] in (204, 409)
