"""The functions of the app with which the real host was recorded: their names, routes, methods and levels, and as much
of what they did as tells whether a request reached them as it was sent."""

import json
import re
from typing import Any

import azure.functions as func

READ = ["GET", "HEAD"]
KEY, OPEN = func.AuthLevel.FUNCTION, func.AuthLevel.ANONYMOUS
ETAG = '"91486a851a9a85b59b229ce99d28b50d"'
FILES = {"": "text/html", "main.js": "text/javascript"}
STATES = ("queued", "running", "waiting", "done", "failed", "cancelled")
REFERENCE = re.compile(r"[a-z0-9._-]+(?:/[a-z0-9._-]+)*(?::\w[\w.-]*|@sha256:[0-9a-f]{64})?", re.ASCII)

app = func.FunctionApp()


def answer(request: func.HttpRequest, status: int = 200, **headers: str) -> func.HttpResponse:
    kind = "application/json" if status == 200 else "application/problem+json"
    return sent(request, json.dumps({"status": status}), status, kind, headers)


def sent(
    request: func.HttpRequest, body: str, status: int, media_type: str, headers: dict[str, str]
) -> func.HttpResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    whole = "" if request.method == "HEAD" or status == 304 else body
    return func.HttpResponse(whole, status_code=status, headers=names, mimetype=media_type)


def number(text: str) -> bool:
    try:
        return 1 <= int(text) <= 1000
    except ValueError:
        return False


@app.function_name("on_registry_event")
@app.event_grid_trigger(arg_name="event")
def on_registry_event(event: func.EventGridEvent) -> None:
    event.get_json()


@app.function_name("ask_pull")
@app.route("pulls", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
async def ask_pull(request: func.HttpRequest) -> func.HttpResponse:
    try:
        asked: Any = json.loads(request.get_body().decode())
    except ValueError:
        return answer(request, 400)
    image = asked.get("image") if isinstance(asked, dict) else None
    good = isinstance(image, str) and len(image) < 1000 and REFERENCE.fullmatch(image)
    return answer(request, Location="/api/pulls/ID") if good else answer(request, 400)


@app.function_name("list_pulls")
@app.route("pulls", trigger_arg_name="request", methods=READ, auth_level=KEY)
def list_pulls(request: func.HttpRequest) -> func.HttpResponse:
    good = all(name == "state" and value in STATES for name, value in request.params.items())
    return answer(request, 200 if good else 400)


@app.function_name("show_pull")
@app.route("pulls/{id}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_pull(request: func.HttpRequest) -> func.HttpResponse:
    return answer(request, 404)


@app.function_name("cancel_pull")
@app.route("pulls/{id}", trigger_arg_name="request", methods=["DELETE"], auth_level=KEY)
def cancel_pull(request: func.HttpRequest) -> func.HttpResponse:
    return answer(request, 404)


@app.function_name("list_repositories")
@app.route("images", trigger_arg_name="request", methods=READ, auth_level=KEY)
def list_repositories(request: func.HttpRequest) -> func.HttpResponse:
    known = {"n": number, "last": bool, "code": bool, "clientId": bool}
    good = all(name in known and known[name](value) for name, value in request.params.items())
    return answer(request, 200 if good else 400)


@app.function_name("show_image")
@app.route("images/{*path}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_image(request: func.HttpRequest) -> func.HttpResponse:
    path = request.route_params["path"]
    image = path.removesuffix("/content")
    if request.params or len(image) > 300 or not REFERENCE.fullmatch(image):
        return answer(request, 400)
    return answer(request, **({} if image == path else {"Cache_Control": "no-store"}))


@app.function_name("health")
@app.route("health", trigger_arg_name="request", methods=READ, auth_level=KEY)
def health(request: func.HttpRequest) -> func.HttpResponse:
    return answer(request)


@app.function_name("live")
@app.route("live", trigger_arg_name="request", methods=READ, auth_level=OPEN)
def live(request: func.HttpRequest) -> func.HttpResponse:
    return answer(request)


@app.function_name("openapi")
@app.route("openapi.json", trigger_arg_name="request", methods=READ, auth_level=KEY)
def openapi(request: func.HttpRequest) -> func.HttpResponse:
    return answer(request)


@app.function_name("status_page")
@app.route("status/{file?}", trigger_arg_name="request", methods=READ, auth_level=OPEN)
def status_page(request: func.HttpRequest) -> func.HttpResponse:
    media_type = FILES.get(request.route_params.get("file", ""))
    caching = {"Cache_Control": "no-cache"}
    if media_type is None:
        return sent(request, "There is no such file.", 404, "text/plain", caching)
    given = request.headers.get("If-None-Match", "")
    known = given == "*" or ETAG in [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return sent(request, "the page", 304 if known else 200, media_type, {**caching, "ETag": ETAG})
