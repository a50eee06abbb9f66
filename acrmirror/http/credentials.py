"""Calls that make, list and revoke pull credentials."""

from collections.abc import Callable

from acrmirror.http import models
from acrmirror.http.calls import Parts, answered, body_of, json_of, moment_of, query_of
from acrmirror.http.values import Answer, Request
from acrmirror.moments import to_datetime

REVOKED_SHOWN = 20


class CredentialCalls:
    """Over a way to get the app, which is not opened before the first call that needs it."""

    def __init__(self, app: Callable[[], Parts]) -> None:
        self._app = app

    @answered
    def create_credential(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        asked = body_of(request, models.CredentialRequest)
        moment = moment_of(asked.expires)
        expires = to_datetime(moment) if moment is not None else None
        made, password = self._app().credentials.create(asked.name, expires, asked.repositories)
        # It has the password: whoever stands between keeps no copy.
        headers = {"Cache-Control": "no-store"}
        return json_of(201, models.NewCredential.with_password(made, password), headers)

    @answered
    def list_credentials(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        credentials = self._app().credentials
        found = [models.PullCredential.of(it) for it in credentials.all()]
        revoked = [models.Revocation.of(it) for it in credentials.revoked(REVOKED_SHOWN)]
        return json_of(200, models.CredentialList(credentials=found, revoked=revoked))

    @answered
    def revoke_credential(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return json_of(200, models.PullCredential.of(self._app().credentials.revoke(request.route["credential"])))
