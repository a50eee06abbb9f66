"""Calls that request an audit, follow it, and list those there were."""

from collections.abc import Callable

from acrmirror.http import models
from acrmirror.http.calls import Parts, answered, json_of, page_of, query_of
from acrmirror.http.values import V1, Answer, Request
from acrmirror.proof.audits import Shown


class AuditCalls:
    """Over a way to get the app, which is not opened before the first call that needs it."""

    def __init__(self, app: Callable[[], Parts]) -> None:
        self._app = app

    @answered
    def ask_audit(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return _told(Shown(self._app().audits.ask()), 202)

    @answered
    def list_audits(self, request: Request) -> Answer:
        query = query_of(request, models.AuditsQuery)
        audits = self._app().audits
        found, last = audits.page(query.n, query.last)
        page = models.AuditPage.of(found, last, audits.chain())
        return page_of(f"{V1}/audits", page, {"n": str(query.n), "last": last})

    @answered
    def show_audit(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return _told(self._app().audits.get(request.route["id"]), 200)

    @answered
    def cancel_audit(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return _told(self._app().audits.cancel(request.route["id"]), 200)


def _told(shown: Shown, status: int) -> Answer:
    headers = {"Location": f"{V1}/audits/{shown.progress.id}"}
    if not shown.progress.over:
        headers["Retry-After"] = "1"
    return json_of(status, models.Audit.of(shown), headers)
