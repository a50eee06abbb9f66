"""What a layout folder's `index.json` lists: other tools' entries stay, and each of ours has a name of its own."""

import json
import re
from pathlib import Path
from typing import Any

from acrmirror.archive.contents import IMAGE_NAME, REF_NAME, Exported, index_entry, layout_index
from acrmirror.errors import Malformed
from acrmirror.oci import INDEX_TYPES, Platform
from acrmirror.platforms import normal

LAYOUT = "oci-layout"
INDEX = "index.json"
_REMEDY = "Move that file away, or export into another folder."


def listed(folder: Path) -> dict[str, Any]:
    """The layout's `index.json`; a new one where there is none. Raises Malformed for one that is no layout's, rather
    than change it or lose what it lists."""
    _check_version(folder / LAYOUT)
    path = folder / INDEX
    if not path.exists():
        return layout_index([])
    document = _object(path)
    media_type = document.get("mediaType", INDEX_TYPES[0])
    if document.get("schemaVersion") != 2 or media_type not in INDEX_TYPES:
        raise Malformed(f"read {path}", "it is no image layout's list", _REMEDY)
    manifests = document.get("manifests")
    if not isinstance(manifests, list | None):
        raise Malformed(f"read {path}", "it is no list of images", _REMEDY)
    # Tools in Go write null for a list of none.
    return {**document, "manifests": manifests or []}


def _check_version(path: Path) -> None:
    if path.exists() and not str(_object(path).get("imageLayoutVersion")).startswith("1."):
        raise Malformed(f"read {path}", "it is of no image layout that is known, which have version 1", _REMEDY)


def _object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        problem = f"it is not JSON that can be read ({type(error).__name__})"
        raise Malformed(f"read {path}", problem, _REMEDY) from error
    if not isinstance(document, dict):
        raise Malformed(f"read {path}", "it is no JSON object", _REMEDY)
    return document


def with_image(document: dict[str, Any], image: Exported, *, in_full: bool = False) -> dict[str, Any]:
    """With the image's entry, in place of the one of the same name and platform. The reference name, by which readers
    choose, is the tag; where another entry has it, the tag and the platform, or the whole name, as `in_full`."""
    entry = index_entry(image)
    if image.platform is not None:
        entry["platform"] = _platform_fields(image.platform)
    kept = [it for it in document["manifests"] if not _is_replaced(it, entry, image)]
    if image.tag is not None:
        entry["annotations"][REF_NAME] = _free_name(kept, image, in_full)
    return {**document, "manifests": [*kept, entry]}


def _is_replaced(other: Any, entry: dict[str, Any], image: Exported) -> bool:
    if not isinstance(other, dict) or _annotation(other, IMAGE_NAME) != image.name:
        return False
    if other.get("digest") == entry["digest"]:
        return True
    if image.tag is None:
        return False
    if image.platform is None and other.get("digest") in {str(it.digest) for it in image.manifests}:
        return True
    theirs = other.get("platform")
    return bool(theirs == entry.get("platform") or (theirs is None and other.get("mediaType") not in INDEX_TYPES))


def _free_name(kept: list[Any], image: Exported, in_full: bool) -> str:
    tag, name = image.tag or "", image.name or image.tag or ""
    taken = {_annotation(it, REF_NAME) for it in kept}
    suffix = re.sub("[^A-Za-z0-9_.]+", "-", str(normal(image.platform))) if image.platform is not None else "all"
    ours = any(_annotation(it, IMAGE_NAME) == image.name for it in kept)
    wanted = [tag, f"{tag}-{suffix}"] if ours else [tag, name]
    if in_full:
        wanted = [name]
    wanted.append(f"{name}-{suffix}")
    return next((it for it in wanted if it not in taken), f"{name}@{image.root.digest}")


def _annotation(entry: Any, key: str) -> object:
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    return annotations.get(key) if isinstance(annotations, dict) else None


def _platform_fields(platform: Platform) -> dict[str, Any]:
    fields: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
    more = {"variant": platform.variant, "os.version": platform.os_version, "os.features": list(platform.os_features)}
    return fields | {key: value for key, value in more.items() if value}
