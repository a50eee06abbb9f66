"""`azure-functions-runtime`, the library inside the platform's worker on Python ≥ 3.13, called as that worker calls it.

Its caller supplies the protocol's classes. The worker has them from protobuf; the few that the library touches are
spelled out here, as plain attributes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from standins.functions.runtime import AppFailed
from standins.functions.wire import Message, TypedValue


class _Message(SimpleNamespace):
    """Any protobuf-like message: what it was made with is what it has, and a field that was not set is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _OneOf(SimpleNamespace):
    """TypedData: a message of which one field is set, or none."""

    def WhichOneof(self, group: str) -> str | None:
        del group
        return next(iter(vars(self)), None)


class _ParameterBinding(_Message):
    def WhichOneof(self, group: str) -> str:
        del group
        return "data"


class _StatusResult(_Message):
    # FunctionRpc.proto, StatusResult.Status
    Failure = 0
    Success = 1


class _BindingInfo(_Message):
    # FunctionRpc.proto, BindingInfo.Direction and .DataType
    out = 1
    inout = 2
    undefined = 0


class _SameSite:
    # FunctionRpc.proto, RpcHttpCookie.SameSite; "None" is not an identifier, so it is set below
    Lax = 1
    Strict = 2
    ExplicitNone = 3


setattr(_SameSite, "None", 0)


class _Cookie(_Message):
    SameSite = _SameSite


class _Protos:
    BindingInfo = _BindingInfo
    FunctionLoadResponse = _Message
    FunctionMetadataResponse = _Message
    InvocationResponse = _Message
    NullableBool = _Message
    NullableDouble = _Message
    NullableString = _Message
    NullableTimestamp = _Message
    ParameterBinding = _ParameterBinding
    RpcException = _Message
    RpcFunctionMetadata = _Message
    RpcHttp = _Message
    RpcHttpCookie = _Cookie
    RpcRetryOptions = _Message
    StatusResult = _StatusResult
    Timestamp = _Message
    TypedData = _OneOf
    WorkerInitResponse = _Message
    WorkerMetadata = _Message


class OfficialRuntime:
    name = "official"

    def __init__(self) -> None:
        try:
            import azure_functions_runtime
        except ImportError as error:
            raise AppFailed(
                "On Python 3.13 and later apps run through azure-functions-runtime, which is not installed. "
                f"Install it ({sys.executable} -m pip install 'azure-functions-runtime>=1,<2'), or use Python 3.11 or "
                "3.12, which do without it."
            ) from error
        self._library = azure_functions_runtime
        self._ids: dict[str, str] = {}

    def load(self, directory: Path) -> list[dict[str, Any]]:
        self._library.start_threadpool_executor()
        request = _Message(
            request=_Message(worker_init_request=_Message(capabilities={}, function_app_directory=str(directory))),
            properties={"host": "127.0.0.1", "protos": _Protos},
        )
        answer = asyncio.run(self._library.worker_init_request(request))
        if answer.result.status != _StatusResult.Success:
            raise AppFailed(answer.result.exception.stack_trace or answer.result.exception.message)
        described = asyncio.run(self._library.functions_metadata_request(request)).function_metadata_results
        if described is None:
            raise AppFailed(f"There is no function_app.py in {directory}.")
        self._ids = {function.name: function.function_id for function in described}
        return [
            {"name": function.name, "bindings": [json.loads(raw) for raw in function.raw_bindings]}
            for function in described
        ]

    async def invoke(self, message: Message) -> Message:
        call = _Message(
            invocation_id=message["id"],
            function_id=self._ids[message["function"]],
            input_data=[_ParameterBinding(name=message["parameter"], data=_inward(message["data"]))],
            trigger_metadata={name: _inward(value) for name, value in message["metadata"].items()},
            trace_context=_Message(trace_parent="", trace_state="", attributes={}),
            retry_context=_Message(retry_count=0, max_retry_count=0),
        )
        request = _Message(request=_Message(invocation_request=call))
        answer = await self._library.invocation_request(request)
        if answer.result.status != _StatusResult.Success:
            error = answer.result.exception
            return {"ok": False, "error": error.message, "stack": error.stack_trace}
        return {
            "ok": True,
            "returned": _outward(answer.return_value),
            "outputs": {binding.name: _outward(binding.data) for binding in answer.output_data or ()},
        }


def _inward(value: TypedValue) -> _OneOf:
    if "http" in value:
        request = value["http"]
        return _OneOf(http=_Message(**{**request, "body": _inward(request["body"])}))
    return _OneOf(**value)


def _outward(value: _OneOf | None) -> TypedValue | None:
    if value is None:
        return None
    kind = value.WhichOneof("data")
    if kind is None:
        return {}
    content: Any = getattr(value, kind)
    if kind != "http":
        return {kind: content}
    response = {
        "status": str(content.status_code),
        "headers": [[str(name), str(text)] for name, text in content.headers.items()],
        "cookies": [_cookie(cookie) for cookie in content.cookies or ()],
        "body": _outward(content.body) or {},
    }
    return {"http": response}


def _cookie(cookie: _Cookie) -> dict[str, Any]:
    fields: dict[str, Any] = vars(cookie)
    unwrapped = {name: getattr(value, "value", value) for name, value in fields.items()}
    if unwrapped.get("expires") is not None:
        unwrapped["expires"] = unwrapped["expires"].seconds
    return {name: value for name, value in unwrapped.items() if value not in (None, "")}
