"""What Azure Storage answers, in the terms of the mirror's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from acrmirror.errors import Damaged, Denied, StorageMissing, Throttled, Unavailable


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked, as errors name it: `kind` is `container`, `table` or `queue`. The identity needs `role` on it.
    `absent` are the error codes that say that it is not there. With `throttles`, 429 and 503 are told as Throttled."""

    kind: str
    name: str
    role: str
    absent: frozenset[str] = frozenset()
    throttles: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @property
    def setting(self) -> str:
        """The app setting that has the service's endpoint."""
        return _SETTINGS[self.kind]


_SETTINGS = {
    "container": "MIRROR_BLOB_ENDPOINT",
    "table": "MIRROR_TABLE_ENDPOINT",
    "queue": "MIRROR_QUEUE__queueServiceUri",
}
_LOST = frozenset({"BlobAlreadyExists", "ConditionNotMet", "InvalidBlockList", "UnauthorizedBlobOverwrite"})
_AGAIN = "It will be tried again."


def error_code(error: HttpResponseError) -> str:
    """Storage's own error code (`x-ms-error-code`), or an empty string."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def is_absent(error: HttpResponseError, place: Place) -> bool:
    """Whether the container, table or queue itself is not there. Of some answers the SDK gives no code, only the
    text."""
    code = error_code(error)
    return code in place.absent if code else any(it in str(error) for it in place.absent)


def is_lost(error: HttpResponseError, place: Place) -> bool:
    """Whether a conditional write found what is there changed, or its staged blocks gone."""
    return not is_absent(error, place) and (error.status_code in (409, 412) or error_code(error) in _LOST)


@contextmanager
def explained(asked: str, place: Place) -> Iterator[None]:
    """Turns the SDKs' exceptions into the mirror's. `asked` says what was asked.

    The SDKs have already retried what is worth retrying at once. Raises Denied, Throttled, Unavailable or
    StorageMissing.
    """
    try:
        yield
    except ClientAuthenticationError as error:
        raise _denied(asked, error, place) from error
    except HttpResponseError as error:
        raise _answered(asked, error, place) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise _unread(asked, f"storage could not be reached ({type(error).__name__})", place) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # What the client makes of answers that lack what storage's have.
        raise _unread(asked, f"storage's answer can not be read ({type(error).__name__})", place) from error
    except AzureError as error:
        raise _unread(asked, f"the storage client failed ({type(error).__name__})", place) from error


def copy_refused(asked: str, error: HttpResponseError) -> Damaged | Unavailable:
    """What storage answers that could not read what it was to copy. The SDK's error has the source's URL, which lets in
    whoever has it."""
    if error.status_code == 404:
        return Damaged(asked, "storage does not find what it is to copy", "Pull the image again with force.")
    return Unavailable(asked, f"storage could not read what it is to copy ({error.status_code})", _AGAIN)


def _answered(asked: str, error: HttpResponseError, place: Place) -> Denied | Throttled | Unavailable:
    status = error.status_code or 0
    if is_absent(error, place):
        return StorageMissing(
            asked,
            f"storage has no {place}",
            f"Create the {place} (the deployment does), or correct the setting that names it. {_AGAIN}",
        )
    if status in (401, 403):
        return _denied(asked, error, place)
    if place.throttles and status in (429, 503):
        return Throttled(asked, f"storage is busy ({status})", _AGAIN)
    if isinstance(error, ResourceNotFoundError):
        return Unavailable(asked, "storage says that it is gone", _AGAIN)
    # What storage refuses as such may have been sent to another service than is named for it.
    remedy = f"Check {place.setting}. {_AGAIN}" if 400 <= status < 500 else _AGAIN
    return Unavailable(asked, f"storage answered {status} {error_code(error)}".strip(), remedy)


def _denied(asked: str, error: HttpResponseError, place: Place) -> Denied:
    return Denied(
        asked,
        f"storage refused the identity ({error.status_code or 'no token'} {error_code(error)})".replace(" )", ")"),
        f"Give the function's identity the role {place.role} on the {place}.",
    )


def _unread(asked: str, answered: str, place: Place) -> Unavailable:
    remedy = f"Check {place.setting}, and the network between the function and the {place}."
    return Unavailable(asked, answered, remedy)
