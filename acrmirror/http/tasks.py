"""Calls that request what a task does, and follow it: archives, rebuilds of tags, restores."""

from collections.abc import Callable
from datetime import timedelta

from acrmirror.http import models
from acrmirror.http.calls import Parts, answered, body_of, json_of, moment_of, query_of
from acrmirror.http.values import V1, Answer, Request
from acrmirror.restore.restores import Report
from acrmirror.work import FINAL_STATES, Record


class TaskCalls:
    """Over a way to get the app, which is not opened before the first call that needs it."""

    def __init__(self, app: Callable[[], Parts]) -> None:
        self._app = app

    @answered
    def request_archive(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        asked = body_of(request, models.ArchiveRequest)
        archives = self._app().archives
        record = archives.request(asked.images, asked.form, asked.platform, moment_of(asked.at))
        return _told(models.Archive.of(record, None), record, "archives", 202)

    @answered
    def show_archive(self, request: Request) -> Answer:
        hours = query_of(request, models.ArchiveQuery).hours
        archives = self._app().archives
        record = archives.get(request.route["id"])
        link = archives.link(record, timedelta(hours=hours)) if record.state == "done" else None
        return _told(models.Archive.of(record, link), record, "archives", 200)

    @answered
    def cancel_archive(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        app = self._app()
        record = app.pulls.cancel(app.archives.get(request.route["id"]).id)
        status = 200 if record.state in FINAL_STATES else 202
        return _told(models.Archive.of(record, None), record, "archives", status)

    @answered
    def request_rebuild(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        asked = body_of(request, models.RebuildRequest)
        record = self._app().rebuilds.request(asked.match, dry_run=asked.dry_run, overwrite=asked.overwrite)
        return _told(models.Rebuild.of(record), record, "rebuilds", 202)

    @answered
    def show_rebuild(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        record = self._app().rebuilds.get(request.route["id"])
        return _told(models.Rebuild.of(record), record, "rebuilds", 200)

    @answered
    def request_restore(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        asked = body_of(request, models.RestoreRequest)
        restores = self._app().restores
        record = restores.request(
            asked.patterns,
            target=asked.target,
            at=asked.at,
            prefix=asked.prefix,
            overwrite=asked.overwrite,
            dry_run=asked.dry_run,
        )
        return _told(models.Restore.of(Report(record)), record, "restores", 202)

    @answered
    def show_restore(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        report = self._app().restores.report(request.route["id"])
        return _told(models.Restore.of(report), report.record, "restores", 200)

    @answered
    def cancel_restore(self, request: Request) -> Answer:
        query_of(request, models.NoQuery)
        app = self._app()
        record = app.restores.cancel(request.route["id"], app.pulls.cancel)
        status = 200 if record.state in FINAL_STATES else 202
        return _told(models.Restore.of(app.restores.report(record.id)), record, "restores", status)


def _told(model: models.Archive | models.Rebuild | models.Restore, record: Record, where: str, status: int) -> Answer:
    # An archive has a link that lets anyone in who has it.
    headers = {"Location": f"{V1}/{where}/{record.id}", "Cache-Control": "no-store"}
    if record.state not in FINAL_STATES:
        headers["Retry-After"] = "1"
    return json_of(status, model, headers)
