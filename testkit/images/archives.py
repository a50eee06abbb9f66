"""Images on disk: read from an OCI layout (a folder or a tar of one) or a docker-save archive, written as a layout."""

import json
import posixpath
import re
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acrmirror.oci import DOCKER_MANIFEST, MAX_DEPTH, Descriptor, parse_manifest
from acrmirror.reference import DIGEST_GRAMMAR, Digest
from testkit.images.build import DOCKER_CONFIG
from testkit.images.content import Content
from testkit.images.layers import DOCKER_TYPES
from testkit.images.values import Draft, Image, entries, entry

REF_NAME = "org.opencontainers.image.ref.name"
Files = Mapping[str, Content]


class NoImage(ValueError):
    """What is at a path is no image that can be read; the message says why, and what to give instead."""


def load_image(path: Path, name: str | None = None) -> Image:
    """The image at `path`; `name` chooses among several (an `org.opencontainers.image.ref.name`, or a repository tag).

    Layers stay on disk and are read when they are pushed, so the archive must not change meanwhile. An archive of both
    kinds, as docker writes since version 25, is read as the OCI layout. Raises NoImage for anything else.
    """
    files = _folder(path) if path.is_dir() else _archive(path)
    if "oci-layout" in files and "index.json" in files:
        return _layout(path, files, name)
    if "manifest.json" in files:
        return _docker_save(path, files, name)
    raise _no_image(path, "it has neither oci-layout and index.json nor manifest.json in it")


def write_layout(folder: Path, *images: Image) -> None:
    """Images as one OCI layout, each named by its tag; also tools that know nothing of this project can push them."""
    listed = []
    for image in images:
        for blob in image.blobs:
            with _new_file(folder, blob.descriptor.digest).open("wb") as file:
                file.writelines(blob.content.chunks())
        for stored in image.manifests:
            _new_file(folder, stored.descriptor.digest).write_bytes(stored.raw)
            if stored.tag is not None:
                listed.append(entry(replace(stored.descriptor, annotations={REF_NAME: stored.tag})))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))


def _new_file(folder: Path, digest: Digest) -> Path:
    path = folder / _blob_name(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _no_image(path: Path, problem: str) -> NoImage:
    return NoImage(
        f"read image {path}: {problem}. "
        "Give an OCI layout (a folder or an uncompressed tar) or what `docker save` writes."
    )


def _folder(path: Path) -> Files:
    return {file.relative_to(path).as_posix(): Content.at(file) for file in path.rglob("*") if file.is_file()}


def _archive(path: Path) -> Files:
    """The files of an uncompressed tar, links followed; their content stays where it is."""
    files: dict[str, Content] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name = posixpath.normpath(member.name)
                if member.isreg():
                    files[name] = Content.at(path, member.offset_data, member.size)
                elif member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    links[name] = posixpath.normpath(member.linkname)
    except (tarfile.TarError, OSError) as error:
        raise _no_image(path, f"it is not an uncompressed tar archive that can be read ({error})") from error
    files.update({name: files[target] for name, target in links.items() if target in files})
    return files


def _json(path: Path, files: Files, name: str) -> Any:
    try:
        return json.loads(_file(path, files, name).read())
    except ValueError as error:
        raise _no_image(path, f"its {name} is not JSON") from error


def _file(path: Path, files: Files, name: str) -> Content:
    if name not in files:
        raise _no_image(path, f"it lists {name} and does not have it")
    return files[name]


def _choose(path: Path, named: Mapping[str, Any], name: str | None) -> tuple[str | None, Any]:
    """The one thing in `named`, or the one called `name`."""
    if name is not None and name in named:
        return name, named[name]
    if name is None and len(named) == 1:
        return next(iter(named.items()))
    has = ", ".join(sorted(named)) or "nothing"
    raise _no_image(path, f"it holds {has}: name one of them" if name is None else f"it holds {has}, not {name}")


def _tag(name: str | None) -> str:
    """The tag in a name as archives have it: `1.2`, `team/app:1.2`, `host:5000/team/app:1.2`."""
    last = (name or "").rpartition("/")[2]
    return last.rpartition(":")[2] or "latest"


def _layout(path: Path, files: Files, name: str | None) -> Image:
    """image-spec "image layout". An index.json that lists several is not itself taken for the image."""
    listed = _json(path, files, "index.json").get("manifests") or []
    named = {
        (item.get("annotations") or {}).get(REF_NAME) or str(item.get("digest")): item
        for item in listed
        if isinstance(item, dict)
    }
    chosen, item = _choose(path, named, name)
    tag = "latest" if chosen == item.get("digest") else _tag(chosen)
    draft = Draft()
    try:
        root = Descriptor(str(item["mediaType"]), _listed_digest(item), int(item["size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _no_image(path, f"its index.json has an entry that is no descriptor ({error})") from error
    _add_graph(path, files, draft, root, tag, 0)
    return draft.image(root)


def _listed_digest(item: Mapping[str, Any]) -> Digest:
    """Raises KeyError or ValueError."""
    text = str(item["digest"])
    if not re.fullmatch(DIGEST_GRAMMAR, text):
        raise ValueError(f"{text[:100]!r} is no digest")
    return Digest.parse(text)


def _add_graph(path: Path, files: Files, draft: Draft, root: Descriptor, tag: str | None, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _no_image(path, f"its indexes nest deeper than {MAX_DEPTH}")
    raw = _file(path, files, _blob_name(root.digest)).read()
    manifest = parse_manifest(raw, root.media_type, root.digest)
    for child in manifest.manifests:
        _add_graph(path, files, draft, child, None, depth + 1)
    for blob in manifest.blobs:
        if blob.is_foreign and _blob_name(blob.digest) not in files:
            continue
        content = _file(path, files, _blob_name(blob.digest))
        if content.size != blob.size:
            raise _no_image(path, f"{blob.digest} has {content.size} bytes there, and its manifest says {blob.size}")
        draft.content(content, blob.digest, blob.media_type)
    draft.raw_manifest(raw, manifest.media_type, tag, root.digest.algorithm)


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def _docker_save(path: Path, files: Files, name: str | None) -> Image:
    """The image keeps its id (the config's digest). Layers are pushed as they lie in the archive, mostly uncompressed;
    the manifest is new, since these archives have none."""
    saved = _json(path, files, "manifest.json")
    if not isinstance(saved, list) or not all(isinstance(item, dict) for item in saved):
        raise _no_image(path, "its manifest.json is not a list of images")
    named = {tag: item for item in saved for tag in item.get("RepoTags") or [str(item.get("Config"))]}
    if name is None and len(saved) == 1:
        named = dict(list(named.items())[:1])
    chosen, item = _choose(path, named, name)
    draft = Draft()
    config = _file(path, files, posixpath.normpath(str(item.get("Config")))).read()
    listed = []
    for layer in item.get("Layers") or []:
        content = _file(path, files, posixpath.normpath(str(layer)))
        listed.append(draft.content(content, _digest(content), _layer_type(content)))
    body = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": entry(draft.blob(config, DOCKER_CONFIG)),
        "layers": entries(listed),
    }
    tag = _tag(chosen) if item.get("RepoTags") else "latest"
    return draft.image(draft.manifest(body, tag))


def _digest(content: Content) -> Digest:
    hasher = Digest.of(b"").hasher()
    for chunk in content.chunks():
        hasher.update(chunk)
    return Digest("sha256", hasher.hexdigest())


def _layer_type(content: Content) -> str:
    with content.open() as stream:
        start = stream.read(4)
    if start.startswith(b"\x1f\x8b"):
        return DOCKER_TYPES["gzip"]
    return DOCKER_TYPES["zstd"] if start == b"\x28\xb5\x2f\xfd" else DOCKER_TYPES["tar"]
