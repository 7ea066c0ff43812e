# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Small calls, and empty answers about builds, packages and buildroots, which devhub does not have."""

import inspect
from typing import Any

from . import (  # noqa: F401 - they export calls
    channels,
    host_api,
    login,
    repo_queue,
    repo_states,
    repos,
    scheduler_api,
    sessions,
    tags,
    tasks,
    uploads,
    users,
)
from .context import API, Context, export, find_call
from .convert import apply_query_opts, cast
from .enums import API_VERSION
from .faults import GenericError
from .storage import Row


@export("hello")
def hello(context: Context, *args: Any) -> str:
    """Greet."""
    return "Hello World"


@export("echo")
def echo(context: Context, *args: Any) -> tuple[Any, ...]:
    """Return what was sent."""
    return args


@export("fault")
def fault(context: Context) -> None:
    """Fail in a way that the hub doesn't expect."""
    raise Exception("test exception")  # noqa: TRY002 - what the hub raises


@export("error")
def error(context: Context) -> None:
    """Fail as calls usually do."""
    raise GenericError("test error")


@export("getAPIVersion")
def get_api_version(context: Context) -> int:
    """Return the version of the API."""
    return API_VERSION


@export("getKojiVersion")
def get_koji_version(context: Context) -> str:
    """Return the version of Koji that is imitated."""
    return context.version


@export("mavenEnabled")
def maven_enabled(context: Context) -> bool:
    """Tell whether Maven support is on."""
    return bool(context.config["EnableMaven"])


@export("winEnabled")
def win_enabled(context: Context) -> bool:
    """Tell whether Windows support is on."""
    return bool(context.config["EnableWin"])


@export("showOpts")
def show_opts(context: Context, as_string: bool = True) -> Any:
    """Return hub.conf's options, to an admin."""
    context.assert_perm("admin")
    return repr(context.config.options) if as_string else context.config.options


@export("getEvent")
def get_event(context: Context, id: Any, strict: bool = True) -> Row | None:  # noqa: A002 - clients name it
    """Return an event: id and ts."""
    row = context.one("events", id=cast(id, int))
    if row is None and strict:
        raise GenericError("query returned no rows")
    return row and {"id": row["id"], "ts": row["time"]}


@export("getLastEvent")
def get_last_event(context: Context, before: Any = None, strict: bool = True) -> Row | None:
    """Return the last event, or the last before a time."""
    rows = [row for row in context.tx.select("events", order="-id") if before is None or row["time"] < before]
    if not rows and strict:
        raise GenericError("query returned no rows")
    return {"id": rows[0]["id"], "ts": rows[0]["time"]} if rows else None


@export("listBuilds", "listPackages", "listBuildroots")
def nothing(context: Context, *args: Any, queryOpts: Row | None = None, **kwargs: Any) -> Any:  # noqa: N803
    """Return that there are no builds, packages or buildroots."""
    order = str((queryOpts or {}).get("order") or "")
    return apply_query_opts([], queryOpts, tuple(order.replace("-", "").split(",")))


@export("count")
def count(context: Context, methodName: str, *args: Any, **kw: Any) -> int:  # noqa: N803
    """Return how much another call returns."""
    result = context.call(methodName, *args, **kw)
    if result is None:
        return 0
    return len(result) if isinstance(result, list | tuple | dict) else 1


@export("filterResults")
def filter_results(context: Context, methodName: str, *args: Any, **kw: Any) -> Any:  # noqa: N803
    """Return what another call returns, ordered and cut by filterOpts."""
    return count_and_filter_results(context, methodName, *args, **kw)[1]


@export("countAndFilterResults")
def count_and_filter_results(context: Context, methodName: str, *args: Any, **kw: Any) -> tuple[int, Any]:  # noqa: N803
    """Return (how much, ordered and cut) of what another call returns."""
    opts = kw.pop("filterOpts", {})
    results = context.call(methodName, *args, **kw)
    if results is None:
        return 0, None
    if not isinstance(results, list):
        raise GenericError(f"{methodName}() did not return a list")
    # Nothing is in any order.
    return len(results), apply_query_opts(results, opts, tuple(results[0])) if results else []


@export("system.listMethods")
def list_methods(context: Context) -> list[str]:
    """Return the names of all calls."""
    return list(API)


@export("system.methodSignature")
def method_signature(context: Context, method: str) -> str:
    """Say that there are none."""
    return "signatures not supported"


def _arguments(name: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(find_call(name)).parameters.values())[1:]
    return [parameter.replace(annotation=parameter.empty) for parameter in parameters]


@export("system.methodHelp")
def method_help(context: Context, method: str) -> str:
    """Return how a call is made, for people."""
    if method not in API:
        return ""
    text = f"{method}({', '.join(str(p) for p in _arguments(method))})"
    return f"{text}\ndescription: {API[method].__doc__}"


@export("_listapi")
def list_api(context: Context) -> list[Row]:
    """Return every call with its arguments."""
    found = []
    for name, function in API.items():
        parameters = _arguments(name)
        args = [p.name if p.default is p.empty else [p.name, p.default] for p in parameters]
        text = ", ".join(str(p) for p in parameters)
        found.append({"name": name, "doc": function.__doc__, "argdesc": f"({text})", "args": args})
    return found
