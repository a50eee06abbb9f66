"""Calls for jobs of every kind: list, show, cancel, retry."""

from collections.abc import Callable

from acrmirror.http import models
from acrmirror.http.calls import Parts, answered, json_of, page_of, query_of
from acrmirror.http.models.jobs import STORED
from acrmirror.http.values import V1, Answer, Request
from acrmirror.overview import Found, Wanted
from acrmirror.work import FINAL_STATES


class JobCalls:
    """Over a way to get the app, which is not opened before the first call that needs it."""

    def __init__(self, app: Callable[[], Parts]) -> None:
        self._app = app

    @answered
    def list_jobs(self, request: Request) -> Answer:
        query = query_of(request, models.JobsQuery)
        kind = STORED.get(query.kind, query.kind) if query.kind is not None else None
        wanted = Wanted(kind, query.state, query.repository, query.parent)
        page = self._app().overview.page(wanted, query.n, query.last)
        more = {name: getattr(query, name) for name in ("kind", "state", "repository", "parent")}
        return page_of(
            f"{V1}/jobs", models.JobPage.of(page.jobs, page.last), more | {"n": str(query.n), "last": page.last}
        )

    @answered
    def show_job(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return _told(self._app().overview.get(request.route["id"]), 200)

    @answered
    def cancel_job(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return _told(self._app().overview.cancel(request.route["id"]), None)

    @answered
    def retry_job(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        return _told(self._app().overview.retry(request.route["id"]), 202)


def _told(found: Found, status: int | None) -> Answer:
    """Without a status, 202 where a run has to end first."""
    job = models.Job.of(found)
    over = job.state in FINAL_STATES
    status = status or (200 if over else 202)
    headers = {"Location": f"{V1}/jobs/{job.id}"}
    if status == 202 or not over:
        headers["Retry-After"] = "1"
    return json_of(status, job, headers)
