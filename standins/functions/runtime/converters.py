"""The same face for Pythons that the official library does not run on, over azure-functions' own index and converters.

It follows what the platform's worker does with them: the payload is decoded before the app's code runs, so that what a
converter can't read never reaches the app; sync functions run in a pool of threads, async ones on the one loop.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
import threading
import traceback
import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standins.functions.runtime import AppFailed
from standins.functions.wire import Message, TypedValue

THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"
_SCRIPT = "function_app"


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    directory: str
    run: Callable[..., Any]
    is_async: bool
    wants_context: bool
    inputs: dict[str, str]  # parameter → the converter that decodes it
    outputs: dict[str, str]
    returns: str | None


@dataclass(frozen=True, slots=True)
class _Context:
    """What `azure.functions.Context` shows to the app."""

    function_name: str
    function_directory: str
    invocation_id: str
    thread_local_storage: threading.local
    trace_context: Any = None
    retry_context: Any = None


class _Out:
    """What the app calls `azure.functions.Out`."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, value: Any) -> None:
        self._value = value

    def get(self) -> Any:
        return self._value


class ConverterRuntime:
    name = "converters"

    def __init__(self) -> None:
        try:
            import azure.functions
            from azure.functions.meta import Datum
        except ImportError as error:
            raise AppFailed(
                "Apps run through azure-functions, which is not installed: pip install azure-functions."
            ) from error
        self._api = azure.functions
        self._datum = Datum
        self._converters: Any = azure.functions.get_binding_registry()  # type: ignore[no-untyped-call]
        # None is ThreadPoolExecutor's own default, min(32, cores + 4), as on the platform.
        self._threads = ThreadPoolExecutor(int(os.environ[THREADS]) if os.environ.get(THREADS) else None)
        self._local = threading.local()
        self._functions: dict[str, _Loaded] = {}

    def load(self, directory: Path) -> list[dict[str, Any]]:
        if not (directory / f"{_SCRIPT}.py").exists():
            raise AppFailed(f"There is no {_SCRIPT}.py in {directory}.")
        try:
            module = importlib.import_module(_SCRIPT)
            apps = [value for value in vars(module).values() if isinstance(value, self._api.FunctionRegister)]
            if len(apps) != 1:
                raise ValueError(f"{_SCRIPT}.py defines {len(apps)} top level function apps, and not one")
            functions = apps[0].get_functions()
            for function in functions:
                loaded = self._load(function)
                self._functions[loaded.name] = loaded
        except Exception as error:
            # Whatever the app's own import raised is what its author wants to read.
            raise AppFailed(traceback.format_exc()) from error
        return [
            {
                "name": function.get_function_name(),
                "bindings": [json.loads(raw) for raw in function.get_raw_bindings()],
            }
            for function in functions
        ]

    def _load(self, function: Any) -> _Loaded:
        run = function.get_user_function()
        name = function.get_function_name()
        hints = typing.get_type_hints(run)
        parameters = set(inspect.signature(run).parameters)
        bindings = {binding.name: binding for binding in function.get_bindings()}
        returns = bindings.pop("$return", None)
        wants_context = "context" in parameters and "context" not in bindings
        if parameters - {"context"} != set(bindings) - {"context"}:
            raise ValueError(f"cannot load the {name} function: its parameters are not those of its bindings")
        inputs: dict[str, str] = {}
        outputs: dict[str, str] = {}
        for parameter, binding in bindings.items():
            is_output = binding.direction == 1
            # A parameter of type str or bytes is given the payload as it is.
            kind = "generic" if hints.get(parameter) in (str, bytes) else binding.type
            (outputs if is_output else inputs)[parameter] = kind
        return _Loaded(
            name,
            str(Path(inspect.getfile(run)).parent),
            run,
            inspect.iscoroutinefunction(run),
            wants_context,
            inputs,
            outputs,
            returns.type if returns is not None else None,
        )

    async def invoke(self, message: Message) -> Message:
        try:
            return await self._invoke(message)
        except Exception as error:  # noqa: BLE001 - the app's failure is the answer, which the host records
            return {"ok": False, "error": f"{type(error).__name__}: {error}", "stack": traceback.format_exc()}

    async def _invoke(self, message: Message) -> Message:
        function = self._functions[message["function"]]
        metadata = {name: self._inward(value) for name, value in message["metadata"].items()}
        arguments: dict[str, Any] = {
            message["parameter"]: self._decode(
                function.inputs[message["parameter"]], self._inward(message["data"]), metadata
            )
        }
        if function.wants_context:
            arguments["context"] = _Context(function.name, function.directory, message["id"], self._local)
        outs = {name: _Out() for name in function.outputs}
        arguments.update(outs)
        if function.is_async:
            returned = await function.run(**arguments)
        else:
            loop = asyncio.get_running_loop()
            returned = await loop.run_in_executor(self._threads, self._run, function, message["id"], arguments)
        if returned is not None and function.returns is None:
            raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
        sys.stdout.flush()
        return {
            "ok": True,
            "returned": self._encode(function.returns, returned) if function.returns is not None else None,
            "outputs": {
                name: self._encode(function.outputs[name], out.get())
                for name, out in outs.items()
                if out.get() is not None
            },
        }

    def _run(self, function: _Loaded, invocation: str, arguments: dict[str, Any]) -> Any:
        self._local.invocation_id = invocation
        try:
            return function.run(**arguments)
        finally:
            self._local.invocation_id = None

    def _decode(self, kind: str, datum: Any, metadata: dict[str, Any]) -> Any:
        converter = self._converters.get(kind)
        if converter is None:
            return datum.value if datum is not None else None
        try:
            return converter.decode(datum, trigger_metadata=metadata)
        except NotImplementedError:
            raise TypeError(f"unable to decode incoming TypedData: {datum!r} as {kind}") from None

    def _encode(self, kind: str, value: Any) -> TypedValue | None:
        converter = self._converters.get(kind)
        if converter is None:
            return _plain(value)
        try:
            datum = converter.encode(value, expected_type=None)
        except NotImplementedError:
            raise TypeError(f"unable to encode outgoing TypedData: {type(value).__name__} as {kind}") from None
        return _outward(datum)

    def _inward(self, value: TypedValue) -> Any:
        if not value:
            return None
        ((kind, content),) = value.items()
        if kind != "http":
            return self._datum(content, kind)
        strings = {
            name: {key: self._datum(text, "string") for key, text in content[name].items()}
            for name in ("headers", "params", "query")
        }
        request = {
            **strings,
            "method": self._datum(content["method"], "string"),
            "url": self._datum(content["url"], "string"),
            "body": self._inward(content["body"]) or self._datum(b"", "bytes"),
        }
        return self._datum(request, "http")


def _plain(value: Any) -> TypedValue:
    if value is None:
        return {}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value)}
    if isinstance(value, str):
        return {"string": value}
    return {"json": json.dumps(value)}


def _outward(datum: Any) -> TypedValue:
    if datum.type is None:
        return {}
    if datum.type != "http":
        return {datum.type: datum.value}
    content = datum.value
    response = {
        "status": str(content["status_code"].value),
        "headers": [[str(name), str(text.value)] for name, text in content["headers"].items()],
        "cookies": [cookie for morsels in content.get("cookies") or () for cookie in map(_cookie, morsels.values())],
        "body": _outward(content["body"]),
    }
    return {"http": response}


def _cookie(morsel: Any) -> dict[str, Any]:
    from email.utils import parsedate_to_datetime

    same_site = {"lax": 1, "strict": 2, "none": 3}.get(morsel["samesite"].lower(), 0)
    cookie = {
        "name": morsel.key,
        "value": morsel.value,
        "domain": morsel["domain"],
        "path": morsel["path"],
        "expires": int(parsedate_to_datetime(morsel["expires"]).timestamp()) if morsel["expires"] else None,
        "secure": bool(morsel["secure"]),
        "http_only": bool(morsel["httponly"]),
        "same_site": same_site,
        "max_age": float(morsel["max-age"]) if morsel["max-age"] else None,
    }
    return {name: value for name, value in cookie.items() if value not in (None, "")}
