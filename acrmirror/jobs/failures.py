"""What Queue and Table Storage answer, in the terms of the mirror's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from acrmirror.errors import Denied, Misconfigured, Unavailable


@contextmanager
def explained(asked: str, service: str, role: str) -> Iterator[None]:
    """Turns the SDKs' exceptions into the mirror's. `role` is what the identity needs at `service`."""
    remedy = f"Give the function's identity the role {role} on the {service}."
    try:
        yield
    except ClientAuthenticationError as error:
        raise Denied(
            asked, f"the {service} refused the identity ({error.status_code or 'no token'})", remedy
        ) from error
    except ResourceNotFoundError as error:
        raise Misconfigured(
            asked, f"there is no such {service}", f"Create the {service}; the deployment does."
        ) from error
    except HttpResponseError as error:
        if error.status_code in (401, 403):
            raise Denied(asked, f"the {service} refused the identity ({error.status_code})", remedy) from error
        raise Unavailable(asked, f"the {service} answered {error.status_code}", "It will be tried again.") from error
    except AzureError as error:
        raise Unavailable(
            asked, f"the {service} could not be reached ({type(error).__name__})", "It will be tried again."
        ) from error
