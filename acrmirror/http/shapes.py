"""What many calls of the API share: the headers of their answers, and the calls of a kind of task."""

from pydantic import BaseModel

from acrmirror.http import models
from acrmirror.http.operation import Header, Operation, Schema, text_of
from acrmirror.http.values import V1
from acrmirror.work.ids import ID_GRAMMAR

ID = {"id": ("The id that its record has.", text_of(ID_GRAMMAR))}
SECONDS: Schema = {"type": "integer", "minimum": 1}


def _at(where: str) -> Header:
    return Header("Location", "Where to follow it.", {"type": "string", "pattern": f"^{V1}/{where}/[0-9a-f-]+$"})


PULL, JOB, AUDIT = _at("pulls"), _at("jobs"), _at("audits")
LATER = Header("Retry-After", "Seconds after which to look again.", SECONDS)
MORE = Header("Link", 'The next page (`rel="next"`), if there is one.', {"type": "string"}, always=False)
UNKEPT = Header(
    "Cache-Control", "Of content: its links let in whoever has them.", {"type": "string", "const": "no-store"}, False
)
UNKEPT_SECRET = Header("Cache-Control", "It has a password.", {"type": "string", "const": "no-store"})
UNDER_WAY = Header("Retry-After", "While it is under way: seconds after which to look again.", SECONDS, always=False)


def task(
    where: str,
    name: str,
    model: type[BaseModel],
    body: type[BaseModel],
    request: str,
    show: str,
    cancel: str | None = None,
    *,
    problems: tuple[int, ...] = (400, 503),
    query: type[BaseModel] = models.NoQuery,
) -> tuple[Operation, ...]:
    """What is requested, shown and cancelled alike; `request`, `show` and `cancel` say what each call does, `problems`
    are those of the request, `query` is of showing it."""
    place, one = _at(where), f"/{where}/{{id}}"
    calls = (
        Operation(
            "post",
            f"/{where}",
            f"request{name}",
            request,
            {202: model},
            problems,
            bodies=(body,),
            headers={202: (place, LATER)},
        ),
        Operation(
            "get",
            one,
            f"show{name}",
            show,
            {200: model},
            (400, 404, 503),
            query=query,
            parameters=ID,
            headers={200: (place, UNDER_WAY)},
        ),
    )
    if cancel is None:
        return calls
    cancelling = Operation(
        "delete",
        one,
        f"cancel{name}",
        cancel,
        {200: model, 202: model},
        (400, 404, 409, 503),
        parameters=ID,
        headers={200: (place,), 202: (place, LATER)},
    )
    return (*calls, cancelling)
