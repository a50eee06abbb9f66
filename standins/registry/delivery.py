"""Delivery of events as Event Grid does it: at least once, 30 s to answer, retries, dead letters.

And as tests want it: held back, late, several times, in any order.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .webhook import DELIVERED, NEVER_RETRIED, Answer, Event, Subscription, notify, stamp

# "Event Grid message delivery and retry": the waits after failed attempts, the last one repeated; 30 attempts or 24 h.
RETRY_SECONDS = (10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200)
TIME_TO_LIVE = 86_400
# Each takes a thread while its endpoint takes its time.
PARALLEL = 16
# Of events that arrived, or had nowhere to go, the newest are remembered: a registry that runs for days has any number.
KEPT = 20_000
_ARRIVED = ("delivered", "unsubscribed")


@dataclass(frozen=True, slots=True)
class Manner:
    """How new events travel: held until they are released, after a delay (seconds), so many times."""

    hold: bool = False
    delay: float = 0.0
    copies: int = 1


@dataclass(slots=True)
class Delivery:
    """`state`: held, waiting, sending, delivered, dead, or unsubscribed (nobody was there to deliver to). `changed` is
    the number of its last change, counted over all deliveries."""

    event: Event
    body: bytes | None
    published: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "held"
    attempts: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    changed: int = 0

    def view(self) -> dict[str, Any]:
        return {
            "delivery": self.id,
            "id": self.event.id,
            "state": self.state,
            "event": self.event.in_schema("eventgrid"),
            "attempts": self.attempts,
            "reason": self.reason,
            "changed": self.changed,
        }


class Courier:
    """Call `start` before use and `close` after."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Delivery]] = []
        self._order = 0
        self._changes = 0
        self._deliveries: list[Delivery] = []
        self._closed = False
        self.subscription: Subscription | None = None
        self._manner = Manner()
        self._pool = ThreadPoolExecutor(PARALLEL, "deliver")
        self._thread = threading.Thread(target=self._run, name="courier")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # What the registry and the control API ask for

    def send(self, event: Event, body: bytes | None = None) -> None:
        """One delivery for each copy; `body` replaces what would be sent, for payloads that no registry makes."""
        with self._changed:
            for _ in range(self._manner.copies):
                delivery = Delivery(event, body)
                self._deliveries.append(delivery)
                self._set(delivery, "held" if self.subscription else "unsubscribed")
                if self.subscription is not None and not self._manner.hold:
                    self._schedule(delivery, self._manner.delay)
            self._forget_old()

    def subscribe(self, subscription: Subscription | None) -> None:
        with self._changed:
            self.subscription = subscription

    def set_manner(self, manner: Manner) -> None:
        with self._changed:
            self._manner = manner

    @property
    def manner(self) -> Manner:
        with self._changed:
            return self._manner

    def release(self, order: str = "", copies: int = 1, ids: set[str] | None = None, seed: int = 0) -> int:
        """Sends held events (`ids`: only these) in order of their making, `reverse`d or `shuffle`d; how many."""
        with self._changed:
            held = [one for one in self._deliveries if one.state == "held" and (not ids or one.event.id in ids)]
            if order == "reverse":
                held.reverse()
            elif order == "shuffle":
                random.Random(seed).shuffle(held)
            again = [self._again(one) for one in held for _ in range(copies - 1)]
            for delivery in [*held, *again]:
                self._schedule(delivery, 0.0)
            return len(held)

    def repeat(self, ids: set[str], copies: int = 1) -> int:
        """Delivers events again that were raised before, whatever became of them."""
        with self._changed:
            first = {one.event.id: one for one in reversed(self._deliveries) if one.event.id in ids}
            again = [self._again(one) for one in first.values() for _ in range(copies)]
            for delivery in again:
                self._schedule(delivery, 0.0)
            return len(again)

    def forget(self) -> None:
        """Forgets all events, those still to be delivered among them."""
        with self._changed:
            self._deliveries.clear()
            self._due.clear()

    def views(self, settle: float = 0.0, since: int = 0) -> list[dict[str, Any]]:
        """Deliveries, oldest first, that changed after `since`; waits up to `settle` seconds until none is waiting or
        being sent."""
        with self._changed:
            self._changed.wait_for(
                lambda: not any(one.state in ("waiting", "sending") for one in self._deliveries), settle
            )
            return [one.view() for one in self._deliveries if one.changed > since]

    def dead_letters(self) -> list[dict[str, Any]]:
        """As Event Grid writes them: the event, and why it was given up (lower-case names in CloudEvents)."""
        with self._changed:
            schema = self.subscription.schema if self.subscription else "eventgrid"
            dead = [one for one in self._deliveries if one.state == "dead"]
        found = []
        for one in dead:
            why = {
                "deadLetterReason": one.reason,
                "deliveryAttempts": len(one.attempts),
                "lastDeliveryOutcome": one.attempts[-1]["outcome"] if one.attempts else None,
                "publishTime": stamp(one.published),
                "lastDeliveryAttemptTime": stamp(one.attempts[-1]["at"]) if one.attempts else None,
            }
            if schema == "cloudevents":
                why = {key.lower(): value for key, value in why.items()}
            found.append({**one.event.in_schema(schema), **why})
        return found

    # The courier's own threads

    def _again(self, delivery: Delivery) -> Delivery:
        again = Delivery(delivery.event, delivery.body)
        self._deliveries.append(again)
        return again

    def _set(self, delivery: Delivery, state: str) -> None:
        self._changes += 1
        delivery.state, delivery.changed = state, self._changes

    def _forget_old(self) -> None:
        if len(self._deliveries) < KEPT + KEPT // 10:
            return
        spare = len(self._deliveries) - KEPT
        old = [one for one in self._deliveries if one.state in _ARRIVED][:spare]
        gone = {one.id for one in old}
        self._deliveries = [one for one in self._deliveries if one.id not in gone]

    def _schedule(self, delivery: Delivery, seconds: float) -> None:
        self._set(delivery, "waiting")
        self._order += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._order, delivery))
        self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                if not self._due:
                    self._changed.wait()
                    continue
                wait = self._due[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                delivery = heapq.heappop(self._due)[2]
                self._set(delivery, "sending")
                self._pool.submit(self._attempt, delivery)

    def _attempt(self, delivery: Delivery) -> None:
        with self._changed:
            subscription = self.subscription
            if subscription is None:
                self._set(delivery, "unsubscribed")
                self._changed.notify_all()
                return
        at = time.time()
        answer = notify(subscription, delivery.event, delivery.body, len(delivery.attempts))
        with self._changed:
            self._settle(delivery, subscription, at, answer)
            self._changed.notify_all()

    def _settle(self, delivery: Delivery, subscription: Subscription, at: float, answer: Answer) -> None:
        status = answer.status
        delivery.attempts.append({"at": at, "seconds": time.time() - at, "status": status, "outcome": answer.outcome})
        if status in DELIVERED:
            self._set(delivery, "delivered")
            return
        if status in NEVER_RETRIED:
            delivery.reason = f"UndeliverableDueToHttp{NEVER_RETRIED[status]}"
        elif len(delivery.attempts) >= subscription.max_attempts:
            delivery.reason = "MaxDeliveryAttemptsExceeded"
        elif time.time() - delivery.published >= TIME_TO_LIVE * subscription.scale:
            delivery.reason = "TimeToLiveExceeded"
        if delivery.reason is not None:
            self._set(delivery, "dead")
        else:
            # Event Grid adds a small randomization to every wait.
            wait = RETRY_SECONDS[min(len(delivery.attempts), len(RETRY_SECONDS)) - 1] * subscription.scale
            self._schedule(delivery, wait * random.uniform(1.0, 1.1))
