"""What Blob Storage answers, in the terms of the mirror's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from acrmirror.errors import Denied, Misconfigured, Throttled, Unavailable

LOST_RACE = frozenset({"BlobAlreadyExists", "ConditionNotMet", "InvalidBlockList", "UnauthorizedBlobOverwrite"})
"""Error codes that mean: somebody else wrote meanwhile, or staged blocks are gone. A question, not a failure."""


def lost_race(error: HttpResponseError) -> bool:
    """Whether a conditional write failed because another writer was there first (or dropped our blocks)."""
    return error.status_code in (409, 412) or str(error_code(error)) in LOST_RACE


def error_code(error: HttpResponseError) -> str:
    """Storage's own error code (`x-ms-error-code`), or an empty string."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


@contextmanager
def explained(
    asked: str, role: str = "Storage Blob Data Contributor", scope: str = "the mirror's container"
) -> Iterator[None]:
    """Turns storage's exceptions into the mirror's. `asked` names what was asked and of which container; `role` is what
    the identity needs, on `scope`.

    The SDK has already retried what is worth retrying at once.
    """
    try:
        yield
    except ClientAuthenticationError as error:
        raise _denied(asked, error, role, scope) from error
    except ResourceNotFoundError as error:
        if error_code(error) in ("ContainerNotFound", "ResourceNotFound"):
            raise Misconfigured(
                asked, "storage has no such container", "Create the container, or correct MIRROR_CONTAINER."
            ) from error
        raise Unavailable(asked, "storage says that it is gone", "It will be tried again.") from error
    except HttpResponseError as error:
        raise _http(asked, error, role, scope) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise Unavailable(asked, f"storage could not be reached ({type(error).__name__})", _REACH) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # What the client makes of answers that lack what storage's have.
        raise Unavailable(asked, f"storage's answer can not be read ({type(error).__name__})", _REACH) from error
    except AzureError as error:
        raise Unavailable(asked, f"the storage client failed ({type(error).__name__})", _REACH) from error


_REACH = "Check MIRROR_BLOB_ENDPOINT and the network between the function and the storage account."


def _denied(asked: str, error: HttpResponseError, role: str, scope: str) -> Denied:
    return Denied(
        asked,
        f"storage refused the identity ({error.status_code or 'no token'} {error_code(error)})".replace(" )", ")"),
        f"Give the function's identity the role {role} on {scope}.",
    )


def _http(asked: str, error: HttpResponseError, role: str, scope: str) -> Denied | Throttled | Unavailable:
    status = error.status_code or 0
    if status in (401, 403):
        return _denied(asked, error, role, scope)
    if status in (429, 503):
        return Throttled(asked, f"storage is busy ({status})", "It will be tried again.")
    return Unavailable(asked, f"storage answered {status} {error_code(error)}".strip(), "It will be tried again.")
