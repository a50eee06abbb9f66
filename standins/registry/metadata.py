"""Azure Container Registry's own API beside the distribution's: listings with times, and attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .auth import Auth
from .content import ATTRIBUTES, Content, Manifest, Repository, Tag
from .errors import RegistryError
from .events import Events, tick_time
from .names import check_digest
from .paging import next_link, page
from .wire import RegistryRequest, Response, json_response


@dataclass(frozen=True, slots=True)
class Metadata:
    """Fields as azure-containerregistry 1.2.0 reads them and as they were seen on the wire."""

    content: Content
    auth: Auth
    events: Events
    host: str

    def catalog(self, request: RegistryRequest) -> Response:
        names, last = page(request, self.content.repositories(), str)
        if request.effects.also_list is not None and not request.parameter("last"):
            names.insert(0, request.effects.also_list)
        return self._answer({"repositories": names}, next_link(request, "/acr/v1/_catalog", last))

    def repository(self, _request: RegistryRequest, name: str) -> Response:
        return self._answer(self._repository(self.content.repository(name)))

    def change_repository(self, request: RegistryRequest, name: str) -> Response:
        found = self.content.repository(name)
        self._change(request, found.attributes)
        return self._answer(self._repository(found))

    def delete_repository(self, request: RegistryRequest, name: str) -> Response:
        tags = sorted(self.content.repository(name).tags)
        gone = self.content.delete_repository(name)
        for manifest in gone:
            self.events.deleted(name, manifest, request)
        return json_response({"manifestsDeleted": [one.digest for one in gone], "tagsDeleted": tags}, 202)

    def manifests(self, request: RegistryRequest, name: str) -> Response:
        found = self.content.repository(name)
        with self.content.lock:
            ordered = sorted(found.manifests.values(), key=lambda one: one.digest)
            if request.parameter("orderby") in ("timedesc", "timeasc"):
                ordered.sort(key=lambda one: one.updated, reverse=request.parameter("orderby") == "timedesc")
            shown, last = page(request, ordered, lambda one: one.digest)
            views = [self._manifest(found, one) for one in shown]
            if request.effects.also_list is not None and not request.parameter("last"):
                views.insert(0, views[0] | {"digest": request.effects.also_list})
        link = next_link(request, f"/acr/v1/{quote(name, safe='')}/_manifests", last)
        return self._answer({**self._head(name), "manifests": views}, link)

    def manifest(self, _request: RegistryRequest, name: str, digest: str) -> Response:
        found = self.content.repository(name)
        one = self.content.manifest(name, check_digest(digest))
        return self._answer({**self._head(name), "manifest": self._manifest(found, one)})

    def change_manifest(self, request: RegistryRequest, name: str, digest: str) -> Response:
        self._change(request, self.content.manifest(name, check_digest(digest)).attributes)
        return self.manifest(request, name, digest)

    def tags(self, request: RegistryRequest, name: str) -> Response:
        found = self.content.repository(name)
        with self.content.lock:
            ordered = sorted(found.tags.values(), key=lambda one: one.name)
            if digest := request.parameter("digest"):
                ordered = [one for one in ordered if one.digest == digest]
            if request.parameter("orderby") in ("timedesc", "timeasc"):
                ordered.sort(key=lambda one: one.updated, reverse=request.parameter("orderby") == "timedesc")
            shown, last = page(request, ordered, lambda one: one.name)
            views = [self._tag(one) for one in shown]
        link = next_link(request, f"/acr/v1/{quote(name, safe='')}/_tags", last)
        return self._answer({**self._head(name), "tags": views}, link)

    def tag(self, _request: RegistryRequest, name: str, tag: str) -> Response:
        return self._answer({**self._head(name), "tag": self._tag(self._find_tag(name, tag))})

    def change_tag(self, request: RegistryRequest, name: str, tag: str) -> Response:
        self._change(request, self._find_tag(name, tag).attributes)
        return self.tag(request, name, tag)

    def delete_tag(self, _request: RegistryRequest, name: str, tag: str) -> Response:
        self._find_tag(name, tag)
        self.content.delete_tag(name, tag)
        return Response(202)

    def _find_tag(self, name: str, tag: str) -> Tag:
        try:
            return self.content.tag(name, tag)
        except RegistryError:
            raise RegistryError("TAG_UNKNOWN", "the specified tag does not exist", {"tag": tag}) from None

    def _answer(self, value: dict[str, Any], link: list[tuple[str, str]] | None = None) -> Response:
        return json_response(value, headers=[*self.auth.rate_limit(), *(link or [])])

    def _head(self, name: str) -> dict[str, Any]:
        return {"registry": self.host, "imageName": name}

    def _repository(self, found: Repository) -> dict[str, Any]:
        return {
            **self._head(found.name),
            "createdTime": tick_time(found.created),
            "lastUpdateTime": tick_time(found.updated),
            "manifestCount": len(found.manifests),
            "tagCount": len(found.tags),
            "changeableAttributes": {**found.attributes, "teleportEnabled": False},
        }

    @staticmethod
    def _manifest(inside: Repository, one: Manifest) -> dict[str, Any]:
        found: dict[str, Any] = {
            "digest": one.digest,
            "imageSize": one.parsed.image_size or len(one.raw),
            "createdTime": tick_time(one.pushed),
            "lastUpdateTime": tick_time(one.updated),
            "mediaType": one.media_type,
            "changeableAttributes": {**one.attributes, "quarantineState": "Passed"},
        }
        if one.architecture and one.os:
            found |= {"architecture": one.architecture, "os": one.os}
        if one.parsed.config_type:
            found["configMediaType"] = one.parsed.config_type
        if tags := inside.tags_of(one.digest):
            found["tags"] = tags
        return found

    @staticmethod
    def _tag(one: Tag) -> dict[str, Any]:
        return {
            "name": one.name,
            "digest": one.digest,
            "createdTime": tick_time(one.created),
            "lastUpdateTime": tick_time(one.updated),
            "signed": False,
            "changeableAttributes": one.attributes,
        }

    @staticmethod
    def _change(request: RegistryRequest, attributes: dict[str, bool]) -> None:
        try:
            wanted = json.loads(request.body.read(1 << 20))
            attributes.update({key: bool(wanted[key]) for key in ATTRIBUTES if wanted.get(key) is not None})
        except (ValueError, AttributeError):
            raise RegistryError("BAD_REQUEST", "the body is not a JSON object of attributes") from None
