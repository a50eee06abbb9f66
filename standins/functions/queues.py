"""The storage-queue trigger: polling, leases, dequeue counts, poison queues.

After the platform's queue extension (Microsoft.Azure.WebJobs.Extensions.Storage.Queues; QueueListener.cs and
QueueProcessor.cs are meant by their names below) and
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger.

A listener belongs to one instance. While its worker lives, it renews the leases of what that runs; once the worker is
dead or stopped it does nothing more for it, since on the platform the host would be gone or stopped with it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from standins.functions.backoff import Backoff
from standins.functions.counts import Counts
from standins.functions.hostjson import MINIMUM_POLLING_INTERVAL, QueueOptions
from standins.functions.instance import FunctionFailed, Instance, InstanceLost
from standins.functions.metadata import Function
from standins.functions.wire import Call, Outcome, TypedValue

# QueueListener.cs: the visibility timeout of what it receives; `--lease` makes it shorter for tests.
LEASE = 600
# QueueListenerFactory.cs
POISON_SUFFIX = "-poison"
# Storage's error codes for a message that another receiver has by now, or that is gone with its queue:
# UpdateQueueMessageVisibilityCommand.cs and QueueProcessor.cs take all of them for "not ours any more".
_NOT_OURS = ("PopReceiptMismatch", "MessageNotFound", "QueueNotFound", "QueueBeingDeleted", "QueueDisabled")
_LOOK_AGAIN = 0.2  # how soon a worker is looked at that is stopped, or not up


@dataclass(frozen=True, slots=True)
class Source:
    """A function's queue as one host sees it. `poison` is None for a queue that is a poison queue itself."""

    function: Function
    queue: QueueClient
    poison: QueueClient | None
    options: QueueOptions
    lease: int


class _Held:
    """A received message and the receipt that its next operation needs."""

    def __init__(self, message: QueueMessage) -> None:
        self.message = message
        self.id = str(message.id)
        self.dequeue_count = int(message.dequeue_count or 0)
        self.receipt = str(message.pop_receipt)
        self.ours = True


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
        name = f"{source.function.name} on {instance.number}"
        self._thread = threading.Thread(target=self._listen, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Polls no more. What is in flight ends with its worker, which the pool kills."""
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
                    continue
                batch = self._receive()
                if not batch:
                    self._stopping.wait(backoff.next(found))
                    found = False
                    continue
                found = True
                for message in batch:
                    with self._freed:
                        self._in_flight += 1
                    threads.submit(self._process, _Held(message)).add_done_callback(self._free)
                self._wait_for_new_batch_threshold()

    def _receive(self) -> list[QueueMessage]:
        try:
            pages = self._source.queue.receive_messages(
                messages_per_page=self._source.options.batch_size, visibility_timeout=self._source.lease
            )
            return list(next(pages.by_page(), ()))  # one page is one request
        except ResourceNotFoundError:
            return []  # the host never makes the main queue: it polls on until somebody does
        except AzureError as error:
            self._log(f"[queue {self._source.queue.queue_name}] could not be polled: {error}")
            return []

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

    def _process(self, held: _Held) -> None:
        source = self._source
        try:
            body = self._decode(held)
        except UnicodeDecodeError as error:
            # A string parameter can't be bound to it: that is a function that failed.
            self._log(f"[queue {source.queue.queue_name}] {held.id} is not UTF-8: {error}")
            self._failed(held)
            return
        # QueueProcessor.BeginProcessingMessageAsync: past the count it never runs again.
        if body is None or held.dequeue_count > source.options.max_dequeue_count:
            self._poison(held)
            return
        call = Call(source.function.name, source.function.parameter, body, _metadata(held, body), held.id)
        try:
            self._await(self._instance.submit(call), held)
        except InstanceLost:
            return  # the instance that held the lease is gone: it just runs out
        except FunctionFailed:
            self._failed(held)
        else:
            self._settle(held, lambda: source.queue.delete_message(held.id, held.receipt))

    def _await(self, answer: Future[Outcome], held: _Held) -> Outcome:
        # QueueListener.CreateUpdateMessageVisibilityTimer: renewed when it is halfway to expiring.
        interval = normal = self._source.lease / 2
        while True:
            try:
                return answer.result(interval)
            except NotYet:
                while self._instance.frozen() and not answer.done():
                    time.sleep(_LOOK_AGAIN)
            if held.ours and not answer.done():
                # LinearSpeedupStrategy.cs: twice as soon after a failure.
                interval = normal if self._renew(held) else max(interval / 2, normal / 8)

    def _renew(self, held: _Held) -> bool:
        """False where it has to be tried again soon."""
        try:
            renewed = self._source.queue.update_message(held.id, held.receipt, visibility_timeout=self._source.lease)
        except AzureError as error:
            held.ours = not _not_ours(error)
            if not held.ours:
                self._counts.note(self._source.function.name, "leases_lost")
            self._log(f"[queue {self._source.queue.queue_name}] lease of {held.id} not renewed: {_brief(error)}")
            return not held.ours
        held.receipt = str(renewed.pop_receipt)
        self._counts.note(self._source.function.name, "renewed")
        return True

    def _failed(self, held: _Held) -> None:
        """QueueProcessor.CompleteProcessingMessageAsync, for a function that did not succeed."""
        source = self._source
        if source.poison is None:
            return  # left invisible until its lease ends, which keeps it from coming back at once for ever
        if held.dequeue_count >= source.options.max_dequeue_count:
            self._poison(held)
            return
        delay = math.ceil(source.options.visibility_timeout)
        self._settle(held, lambda: source.queue.update_message(held.id, held.receipt, visibility_timeout=delay))

    def _poison(self, held: _Held) -> None:
        source = self._source
        if source.poison is None:
            return
        self._log(
            f"[queue {source.queue.queue_name}] {held.id} was dequeued {held.dequeue_count} times: "
            f"moved to {source.poison.queue_name}"
        )
        try:
            source.poison.send_message(held.message.content)
        except ResourceNotFoundError:
            source.poison.create_queue()
            source.poison.send_message(held.message.content)
        self._counts.note(source.function.name, "poisoned")
        self._settle(held, lambda: source.queue.delete_message(held.id, held.receipt))

    def _settle(self, held: _Held, operation: Callable[[], object]) -> None:
        try:
            operation()
        except AzureError as error:
            if not _not_ours(error):
                raise
            self._counts.note(self._source.function.name, "taken_over")
            self._log(f"[queue {self._source.queue.queue_name}] {held.id} is another's by now: {_brief(error)}")

    def _decode(self, held: _Held) -> TypedValue | None:
        """What the function gets; None for a message that can't be decoded, which goes to the poison queue unread.
        Raises UnicodeDecodeError where the function wants text, and gets something else."""
        content = str(held.message.content).encode()
        if self._source.options.base64:
            try:
                # Convert.FromBase64String takes white space.
                content = base64.b64decode(b"".join(content.split()), validate=True)
            except binascii.Error:
                return None
        if self._source.function.trigger.get("dataType") in ("BINARY", "binary"):
            return {"bytes": content}
        return {"string": content.decode()}


def _metadata(held: _Held, body: TypedValue) -> dict[str, TypedValue]:
    """The trigger's metadata (QueueTriggerBinding.cs), overlaid with the payload's own properties (Utility.cs)."""
    message = held.message
    metadata: dict[str, TypedValue] = {
        "DequeueCount": {"json": str(held.dequeue_count)},
        "ExpirationTime": {"json": json.dumps(message.expires_on.isoformat() if message.expires_on else None)},
        "Id": {"string": held.id},
        "InsertionTime": {"json": json.dumps(message.inserted_on.isoformat() if message.inserted_on else None)},
        "NextVisibleTime": {
            "json": json.dumps(message.next_visible_on.isoformat() if message.next_visible_on else None)
        },
        "PopReceipt": {"string": held.receipt},
    }
    if "string" in body:
        metadata["QueueTrigger"] = body
        _apply_binding_data(str(body["string"]), metadata)
    return metadata


def _apply_binding_data(text: str, metadata: dict[str, TypedValue]) -> None:
    """Utility.ApplyBindingData: a JSON object's top-level properties replace metadata of the same name in any case.

    So an app whose messages have an `id` sees that, and not the message's own, as `QueueMessage.id`.
    """
    try:
        properties: Any = json.loads(text)
    except ValueError:
        return
    if not isinstance(properties, dict):
        return
    for name, value in properties.items():
        if value is None or isinstance(value, list):
            continue
        key = next((known for known in metadata if known.lower() == name.lower()), name)
        metadata[key] = {"json": json.dumps(value)} if isinstance(value, dict) else {"string": str(value)}


def _not_ours(error: AzureError) -> bool:
    if isinstance(error, ResourceNotFoundError):
        return True
    code = getattr(error, "error_code", None)
    return isinstance(error, HttpResponseError) and str(getattr(code, "value", code)) in _NOT_OURS


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0]
