"""Every call of the API: checks what came, asks the app, writes the answer."""

import asyncio
import json
import time
from collections.abc import Awaitable

from acrmirror.errors import MirrorError, Misconfigured
from acrmirror.health import misconfigured
from acrmirror.http import models
from acrmirror.http.audits import AuditCalls
from acrmirror.http.calls import answered
from acrmirror.http.calls import body_of as _body
from acrmirror.http.calls import json_of as _json
from acrmirror.http.calls import moment_of as _moment
from acrmirror.http.calls import page_of as _page
from acrmirror.http.calls import query_of as _query
from acrmirror.http.credentials import CredentialCalls
from acrmirror.http.jobs import JobCalls
from acrmirror.http.openapi import document
from acrmirror.http.paths import read_name, read_path
from acrmirror.http.problems import problem
from acrmirror.http.tasks import TaskCalls
from acrmirror.http.values import BODY_LIMIT, V1, Answer, Request
from acrmirror.jobs.records import Requested
from acrmirror.platforms import parse_platform
from acrmirror.reference import Digest
from acrmirror.work import FINAL_STATES, Record

FIRST_POLL_SECONDS = 0.25
POLL_SECONDS = 1.0


class Api(JobCalls, TaskCalls, AuditCalls, CredentialCalls):
    """Over a way to get the app, which is not opened before the first call that needs it."""

    # pulls

    async def ask_pull(self, request: Request) -> Answer:
        """Waits without a thread: whoever waits keeps no worker from its work."""
        try:
            _query(request, models.NoQuery)
            if _names_many(request.body):
                many = _body(request, models.MatchRequest)
                sweeps = (await asyncio.to_thread(self._app)).sweeps
                return _pull(await asyncio.to_thread(sweeps.ask, many.match, dry_run=many.dry_run), 202)
            asked = _body(request, models.PullRequest)
            pulls = (await asyncio.to_thread(self._app)).pulls
            ask: Awaitable[Record] = asyncio.to_thread(
                pulls.ask, asked.image, platforms=asked.platforms, force=asked.force
            )
            record = await ask
            until, pause = time.monotonic() + asked.wait, FIRST_POLL_SECONDS
            while record.state not in FINAL_STATES and (left := until - time.monotonic()) > 0:
                await asyncio.sleep(min(pause, left))
                pause = min(2 * pause, POLL_SECONDS)
                record = await asyncio.to_thread(pulls.known, record)
        except MirrorError as error:
            return problem(error)
        return _pull(record, 200 if record.state in FINAL_STATES else 202)

    @answered
    def list_pulls(self, request: Request) -> Answer:
        query = _query(request, models.PullsQuery)
        page = self._app().pulls.page(query.n, state=query.state, repository=query.repository, after=query.last)
        more = {"state": query.state, "repository": query.repository, "n": str(query.n), "last": page.last}
        return _page(f"{V1}/pulls", models.PullPage.of(page.records, page.last), more)

    @answered
    def show_pull(self, request: Request) -> Answer:
        _query(request, models.NoQuery)
        pulls = self._app().pulls
        record = pulls.get(request.route["id"])
        return _pull(record, 200, pulls.children(record))

    @answered
    def cancel_pull(self, request: Request) -> Answer:
        _query(request, models.NoQuery)
        app = self._app()
        record = app.pulls.get(request.route["id"])
        app.overview.cancel(record.id)
        record = app.pulls.known(record)
        return _pull(record, 200 if record.state in FINAL_STATES else 202)

    @answered
    def retry_pull(self, request: Request) -> Answer:
        _query(request, models.NoQuery)
        return _pull(self._app().pulls.retry(request.route["id"]), 202)

    # images

    @answered
    def list_repositories(self, request: Request) -> Answer:
        query = _query(request, models.RepositoriesQuery)
        images = self._app().images
        names, last = images.repositories(query.n, query.last, query.contains)
        page = models.RepositoryPage(registry=images.registry, repositories=names, last=last)
        return _page(f"{V1}/images", page, {"contains": query.contains or None, "n": str(query.n), "last": last})

    @answered
    def show_image(self, request: Request) -> Answer:
        images = self._app().images
        path = request.route.get("path", "")
        place = read_path(path, images.registry, images.has)
        if place.reference is None:
            query = _query(request, models.TagsQuery)
            found = images.tags(place.repository, query.n, query.last, _moment(query.at))
            sizes = images.sizes.of(place.repository, found.tags) if query.sizes else {}
            tags = [models.Tag.of(it, sizes.get(it.digest)) for it in found.tags]
            page = models.TagPage(repository=place.repository, tags=tags, last=found.cursor)
            more = {"at": query.at, "sizes": "true" if query.sizes else None, "n": str(query.n), "last": found.cursor}
            return _page(f"{V1}/images/{path}", page, more)
        if not place.content:
            at = _moment(_query(request, models.ImageQuery).at)
            found_image = images.image(place.reference, at)
            tag = place.reference.tag if at is None else None
            manifests = (found_image.root, *(it.manifest for it in found_image.variants))
            proof = self._app().proofs.of(place.repository, tag, manifests)
            return _json(200, models.Image.of(images.registry, found_image, proof))
        wanted = _query(request, models.ContentQuery)
        platform = parse_platform(wanted.platform) if wanted.platform is not None else None
        after = Digest.parse(wanted.last) if wanted.last is not None else None
        found_content = images.content(place.reference, platform, _moment(wanted.at), after, wanted.n)
        content = models.ImageContent.of(images.registry, found_content)
        # It has links that let anyone in who has them.
        return _json(200, content, {"Cache-Control": "no-store"})

    @answered
    def show_history(self, request: Request) -> Answer:
        query = _query(request, models.HistoryQuery)
        images = self._app().images
        path = request.route.get("path", "")
        repository, tag = read_name(path, images.registry)
        found = images.past.moves(repository, tag, query.n, query.last, deleted=query.deleted, at=_moment(query.at))
        moves = [models.Moved.of(it) for it in found.moves]
        page = models.HistoryPage(repository=repository, tag=tag, moves=moves, last=found.last)
        more = {"at": query.at, "deleted": "true" if query.deleted else None, "n": str(query.n), "last": found.last}
        return _page(f"{V1}/history/{path}", page, more)

    # the app

    @answered
    def health(self, request: Request) -> Answer:
        _query(request, models.NoQuery)
        try:
            health = self._app().health.run()
        except Misconfigured as error:
            health = misconfigured(error)
        return _json(200 if health.ok else 503, models.HealthReport.of(health))

    @answered
    def stats(self, request: Request) -> Answer:
        _query(request, models.NoQuery)
        return _json(200, models.Stats.of(self._app().stats.figures()))

    @answered
    def live(self, _request: Request) -> Answer:
        return _json(200, models.Live())

    @answered
    def openapi(self, request: Request) -> Answer:
        _query(request, models.NoQuery)
        return Answer(200, document())


def _names_many(body: bytes) -> bool:
    """Which of its two forms a request for pulls has, so that errors name the fields of that one."""
    try:
        document = json.loads(body) if len(body) <= BODY_LIMIT else None
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "match" in document


def _pull(record: Record, status: int, jobs: Requested | None = None) -> Answer:
    headers = {"Location": f"{V1}/pulls/{record.id}"}
    if status == 202 or record.state not in FINAL_STATES:
        headers["Retry-After"] = "1"
    return _json(status, models.Pull.of(record, jobs), headers)
