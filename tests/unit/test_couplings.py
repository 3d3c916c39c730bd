"""Tests each private or undocumented name of a library that this project uses (tools/couplings.py), and finds names
that the list lacks.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore
import pytest
import typer.completion
import typer.testing
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.parsers import JSONParser
from botocore.serialize import JSONSerializer
from botocore.session import get_session
from xdist.scheduler import LoadFileScheduling, LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

from tools.couplings import COUPLINGS, VERSIONS
from tools.specs.routes import routes_of

ROOT = Path(__file__).parent.parent.parent
OURS = {"sandes", "sandes_client", "functions", "infra", "tools", "tests"}
DOCUMENTED = {"_aws", "_replace", "_asdict", "_fields", "_value_"}
"""CloudWatch's embedded metric format, named tuples and enums document these names."""

BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "get", "pop", "setdefault", "setitem", "object"}
"""Functions and methods that take the name of an attribute or a key. `object` is that of `patch.object`."""
OF_JSII = {"aws_cdk", "constructs"}
"""The libraries whose classes run in Node. They have no private methods to override, and take seconds to import."""


class Reached(Exception):
    """Shows that a library called what stands in for its own part."""


def reached(*_: Any, **__: Any) -> Any:
    raise Reached


def client() -> Any:
    """Make a client of DynamoDB that gets `{}` as the answer to every call."""
    session = get_session()
    session.set_credentials("test", "test")
    made = session.create_client("dynamodb", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers: Any = {"x-amz-crc32": str(zlib.crc32(b"{}"))}
        return AWSResponse(request.url, 200, headers, Body())

    made.meta.events.register("before-send", answer)  # type: ignore[arg-type]  # its answer is used
    return made


class Body:
    """Holds the body of an answer as botocore reads it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield b"{}"


def read_a_row(of: Any) -> Any:
    return of.get_item(TableName="t", Key={"a": {"S": "x"}})


class Standing:
    """Stands in for a part of a library, whatever it is asked for."""

    def __getattr__(self, _: str) -> Callable[..., Any]:
        return reached


def test_a_client_of_botocore_writes_with_its_serializer() -> None:
    made = client()
    assert isinstance(made._serializer, JSONSerializer) or hasattr(made._serializer, "serialize_to_request")
    made._serializer = Standing()
    with pytest.raises(Reached):
        read_a_row(made)


def test_a_client_of_botocore_reads_with_the_parser_of_its_endpoint() -> None:
    made = client()
    assert hasattr(made._endpoint, "_response_parser_factory")
    made._endpoint._response_parser_factory = Standing()
    with pytest.raises(Reached):
        read_a_row(made)


def test_botocores_json_parser_reads_a_body_with_the_method_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    shape: Any = get_session().get_service_model("dynamodb").operation_model("GetItem").output_shape
    monkeypatch.setattr(JSONParser, "_handle_json_body", reached)
    with pytest.raises(Reached):
        JSONParser().parse({"status_code": 200, "headers": {}, "body": b"{}"}, shape)


def test_botocores_json_serializer_makes_a_request_without_parameters() -> None:
    model = get_session().get_service_model("dynamodb").operation_model("GetItem")
    request: Any = JSONSerializer().serialize_to_request({}, model)
    assert request["body"] == b"{}"
    assert request["headers"]["X-Amz-Target"] == "DynamoDB_20120810.GetItem"


def test_botocores_endpoints_are_listed_by_partition_and_service() -> None:
    endpoints = json.loads((Path(botocore.__file__).parent / "data" / "endpoints.json").read_text())
    assert all("dynamodb" in partition["services"] for partition in endpoints["partitions"][:1])


def test_a_client_of_botocore_makes_each_call_with_the_method_that_tests_replace() -> None:
    made = client()
    assert inspect.ismethod(made._make_api_call)
    made._make_api_call = reached
    with pytest.raises(Reached):
        read_a_row(made)


def test_powertools_gives_a_middleware_the_parameters_of_the_route() -> None:
    app = APIGatewayHttpResolver(enable_validation=True)
    seen: list[str] = []

    def middleware(app: Any, go_on: Callable[[Any], Any]) -> Any:
        seen.extend(parameter.alias for parameter in app.context["_route"].dependant.query_params)
        return go_on(app)

    app.use([middleware])

    @app.get("/things")
    def things(limit: int = 1) -> dict[str, int]:
        return {"limit": limit}

    event = {
        "version": "2.0",
        "rawPath": "/things",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/things"}, "stage": "$default"},
    }
    assert app.resolve(event, typer)["statusCode"] == 200  # type: ignore[arg-type]  # the context is not used
    assert seen == ["limit"]


def test_powertools_keeps_the_routes_of_a_resolver_in_two_lists() -> None:
    app = APIGatewayHttpResolver()
    app.get("/fixed")(list)
    app.get("/<name>")(list)
    assert [route.path for route in app._static_routes] == ["/fixed"]
    assert [route.path for route in app._dynamic_routes] == ["/<name>"]
    assert [(route.method, route.path) for route in routes_of(app)] == [("GET", "/fixed"), ("GET", "/<name>")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_typer_makes_a_completion_script_for_a_named_shell(shell: str) -> None:
    made = typer.completion.get_completion_script(  # type: ignore[attr-defined]  # not listed as exported
        prog_name="sandes", complete_var="_SANDES_COMPLETE", shell=shell
    )
    assert "_SANDES_COMPLETE" in made


def test_typers_runner_builds_commands_with_the_function_that_tests_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(typer.testing), "_get_command", reached)
    with pytest.raises(Reached):
        typer.testing.CliRunner().invoke(typer.Typer(), [])


def test_pytest_knows_the_fixtures_of_a_test(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    (fixture,) = request.node._fixtureinfo.name2fixturedefs["tmp_path"]
    assert fixture.func.__name__ == "tmp_path"


def test_xdist_gives_a_worker_the_tests_of_a_scope() -> None:
    assert LoadFileScheduling._split_scope(object(), "tests/unit/test_a.py::test_b") == "tests/unit/test_a.py"
    assert "self._split_scope(" in inspect.getsource(LoadScopeScheduling)


@cache
def source_of_the_engine(module: str) -> str:
    """Return a module of the engine. Skip the test if the engine is not installed (`make setup`)."""
    found = [*(ROOT / ".local" / "engine" / "lib").glob(f"python3*/site-packages/ministack/services/{module}.py")]
    if not found:
        pytest.skip("the engine is not installed")
    return found[0].read_text(encoding="utf-8")


def names_tested_by(test: str) -> tuple[str, ...]:
    (row,) = [row for row in COUPLINGS if row.test == test]
    return row.names


@pytest.mark.parametrize("name", names_tested_by("the_engines_cognito_calls_the_functions_that_the_patches_replace"))
def test_the_engines_cognito_calls_the_functions_that_the_patches_replace(name: str) -> None:
    source = source_of_the_engine("cognito")
    assert len(re.findall(rf"^(?:async )?def {name}\(", source, re.MULTILINE)) == 1
    assert len(re.findall(rf"\b{name}\b", source)) > 1


@pytest.mark.parametrize("name", names_tested_by("the_engines_cognito_has_what_the_patches_use"))
def test_the_engines_cognito_has_what_the_patches_use(name: str) -> None:
    assert re.search(rf'^def {name}\(|"{name}"', source_of_the_engine("cognito"), re.MULTILINE)


def test_the_engine_restores_positions_of_streams_with_the_function_that_a_patch_replaces() -> None:
    source = source_of_the_engine("lambda_svc")
    assert re.search(r"^def _restore_esm_positions\(", source, re.MULTILINE)
    assert re.search(r"^ +_restore_esm_positions\(_dynamodb_stream_positions,", source, re.MULTILINE)


def test_each_row_of_the_list_has_exactly_one_test() -> None:
    about_the_list = {
        "each_row_of_the_list_has_exactly_one_test",
        "rows_were_tested_with_the_pinned_versions",
        "a_private_name_of_a_library_is_used_only_where_the_list_says",
        "the_list_has_no_name_that_is_not_used",
        "every_way_to_use_a_private_name_is_found",
    }
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert sorted(row.test for row in COUPLINGS) == sorted(tests - about_the_list)


def test_rows_were_tested_with_the_pinned_versions() -> None:
    pinned = {
        found[1]: found[2]
        for file in ("dev.txt", "vendor.txt", "engine.txt")
        for found in re.finditer(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / file).read_text(), re.MULTILINE)
        if file != "engine.txt" or found[1] == "ministack"
    }
    assert {library: pinned[library] for library in VERSIONS} == VERSIONS
    assert {row.library for row in COUPLINGS} == set(VERSIONS)


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None and name not in DOCUMENTED


@cache
def trees() -> dict[str, ast.Module]:
    """Return the syntax trees of all modules that git knows, except modules of tests."""
    files = subprocess.run(
        ["git", "ls-files", "*.py"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    read = [file for file in map(Path, files) if not file.name.startswith("test_") and (ROOT / file).exists()]
    return {file.as_posix(): ast.parse((ROOT / file).read_text()) for file in read}


KINDS = {
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Name, ast.Attribute),
    *(ast.Import, ast.ImportFrom, ast.Subscript, ast.Call),
}


@cache
def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes that the checks below look at."""
    return [node for node in ast.walk(tree) if type(node) in KINDS and not _is_public(node)]


def _is_public(node: ast.AST) -> bool:
    """Tell whether a node is a variable or attribute with a public name. There are very many."""
    return (type(node) is ast.Name and node.id[0] != "_") or (type(node) is ast.Attribute and node.attr[0] != "_")


def own_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines: functions, classes, variables, and attributes of its own objects."""
    for node in nodes_of(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


def is_foreign(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] not in OURS | {"__future__"}


def imported(tree: ast.Module) -> dict[str, tuple[str, str | None]]:
    """Return what a module imports from libraries: the module and the name in it, by the name used here."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and node.module and is_foreign(node.module):
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if is_foreign(alias.name):
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first] = (alias.name if alias.asname else first, None)
    return found


def base_of(text: str, names: dict[str, tuple[str, str | None]]) -> Any:
    """Return the class of a library that a class is derived from, or None for a class of this project."""
    first, *rest = text.partition("[")[0].split(".")
    if first not in names or names[first][0].partition(".")[0] in OF_JSII:
        return None
    module, name = names[first]
    found: Any = importlib.import_module(module)
    for step in [*([name] if name else []), *rest]:
        found = getattr(found, step)
    return found


def inherited(tree: ast.Module) -> Iterator[str]:
    """Yield the private names of a library that a class overrides or uses on itself."""
    names = imported(tree)
    for made in nodes_of(tree):
        if not isinstance(made, ast.ClassDef) or not made.bases:
            continue
        used = {
            getattr(node, "name", getattr(node, "attr", ""))
            for node in nodes_of(made)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self")
        }
        for base in filter(None, (base_of(ast.unparse(base), names) for base in made.bases)):
            yield from (name for name in used if is_private(name) and hasattr(base, name))


def uses(tree: ast.Module, ours: set[str]) -> Iterator[str]:
    """Yield the private names of libraries that a module uses, as far as its syntax shows them."""
    for node in nodes_of(tree):
        match node:
            case ast.ImportFrom(module=module) if is_foreign(module):
                yield from filter(is_private, [*str(module).split("."), *(alias.name for alias in node.names)])
            case ast.Import():
                yield from (
                    step
                    for alias in node.names
                    if is_foreign(alias.name)
                    for step in alias.name.split(".")
                    if is_private(step)
                )
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if is_private(name) and name not in ours:
                yield name
            case ast.Subscript(slice=ast.Constant(value=str(name))) if is_private(name) and name not in ours:
                yield name
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=args) if called in BY_NAME:
                texts = [one.value for one in args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                yield from (one for one in texts if is_private(one) and one not in ours)
    yield from inherited(tree)


def listed() -> set[tuple[str, str]]:
    return {(file, name) for row in COUPLINGS for file in row.used_in for name in row.names}


def test_a_private_name_of_a_library_is_used_only_where_the_list_says() -> None:
    ours = {name for file, tree in trees().items() if file != "tools/couplings.py" for name in own_names(tree)}
    found = {
        (file, name) for file, tree in trees().items() if file != "tools/couplings.py" for name in uses(tree, ours)
    }
    assert found - listed() == set()


def test_the_list_has_no_name_that_is_not_used() -> None:
    assert [(file, name) for file, name in sorted(listed()) if name not in (ROOT / file).read_text()] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import x\nx._hidden", "_hidden"),
        ("def f(client): client._hidden = 1", "_hidden"),
        ("from library._inner import thing", "_inner"),
        ("from library import _thing", "_thing"),
        ("import library._inner", "_inner"),
        ("def f(app): return app.context['_route']", "_route"),
        ("def f(app): return getattr(app, '_route')", "_route"),
        ("def f(user): user.pop('_hidden')", "_hidden"),
        ("from json import JSONEncoder\nclass A(JSONEncoder):\n  def __init__(self): self.x", ""),
        ("from argparse import ArgumentParser\nclass A(ArgumentParser):\n  def _get_values(self): ...", "_get_values"),
        ("import argparse\nclass A(argparse.Action):\n  def f(self): self._get_kwargs()", "_get_kwargs"),
        ("class A:\n  def f(self): self._own", ""),
        ("from sandes.edge import _own", ""),
    ],
)
def test_every_way_to_use_a_private_name_is_found(text: str, name: str) -> None:
    assert set(uses(ast.parse(text), set())) == ({name} if name else set())
