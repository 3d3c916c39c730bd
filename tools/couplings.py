"""Lists every private or undocumented name of a library that this project uses.

A library may change such a name in any release. So each row has exactly one test in tests/unit/test_couplings.py, which
fails if the library no longer has the name or no longer uses it. The same file finds names that are not listed here.

Before you raise a version in `VERSIONS`, run that file with the new version. docs/adr/0055 tells why the list exists.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSIONS = {
    "aws-lambda-powertools": "3.37.0",
    "botocore": "1.44.5",
    "ministack": "1.5.33",
    "pytest": "9.2.0",
    "pytest-xdist": "3.8.0",
    "typer": "0.29.2",
}
"""The versions that the rows were tested with. They are the pinned ones in requirements/."""

PACKAGE = "layers/core/python/sandes"


@dataclass(frozen=True, slots=True)
class Coupling:
    """Names private attributes of one library. `test` is the name of the test function without `test_`."""

    library: str
    names: tuple[str, ...]
    used_in: tuple[str, ...]
    why: str
    test: str


COUPLINGS = (
    Coupling(
        library="botocore",
        names=("_serializer",),
        used_in=(f"{PACKAGE}/edge/attribute_values.py",),
        why="DynamoDB's JSON is written without botocore's model of it (docs/adr/0023).",
        test="a_client_of_botocore_writes_with_its_serializer",
    ),
    Coupling(
        library="botocore",
        names=("_endpoint", "_response_parser_factory"),
        used_in=(f"{PACKAGE}/edge/attribute_values.py",),
        why="DynamoDB's JSON is read without botocore's model of it (docs/adr/0023).",
        test="a_client_of_botocore_reads_with_the_parser_of_its_endpoint",
    ),
    Coupling(
        library="botocore",
        names=("_handle_json_body",),
        used_in=(f"{PACKAGE}/edge/attribute_values.py",),
        why="The parser is botocore's own, except for the bodies of successful answers.",
        test="botocores_json_parser_reads_a_body_with_the_method_that_is_replaced",
    ),
    Coupling(
        library="botocore",
        names=("serialize_to_request",),
        used_in=(f"{PACKAGE}/edge/attribute_values.py",),
        why="botocore makes the request without parameters; then the body is replaced.",
        test="botocores_json_serializer_makes_a_request_without_parameters",
    ),
    Coupling(
        library="botocore",
        names=("endpoints.json",),
        used_in=("tools/layers.py",),
        why="The vendor layer keeps only the services in use, since a cold start parses the whole file.",
        test="botocores_endpoints_are_listed_by_partition_and_service",
    ),
    Coupling(
        library="botocore",
        names=("_make_api_call",),
        used_in=("tests/support/dynamodb.py", "tests/integration/test_outside_contracts.py"),
        why="Tests answer or serialise the calls of one client. boto3's documentation patches the same method.",
        test="a_client_of_botocore_makes_each_call_with_the_method_that_tests_replace",
    ),
    Coupling(
        library="aws-lambda-powertools",
        names=("_route",),
        used_in=(f"{PACKAGE}/edge/http.py",),
        why="Unknown query parameters are refused, which takes the parameters that the route declares.",
        test="powertools_gives_a_middleware_the_parameters_of_the_route",
    ),
    Coupling(
        library="aws-lambda-powertools",
        names=("_static_routes", "_dynamic_routes"),
        used_in=("tools/specs/routes.py",),
        why="Pages and tests go over all routes.",
        test="powertools_keeps_the_routes_of_a_resolver_in_two_lists",
    ),
    Coupling(
        library="typer",
        names=("get_completion_script",),
        used_in=("sdk/python/sandes_client/cli/commands.py",),
        why="`--show-completion SHELL` prints the script of a named shell, for which typer has no public function.",
        test="typer_makes_a_completion_script_for_a_named_shell",
    ),
    Coupling(
        library="typer",
        names=("_get_command",),
        used_in=("tests/unit/sdk/conftest.py",),
        why="Tests build the commands of a program once, not for each call.",
        test="typers_runner_builds_commands_with_the_function_that_tests_cache",
    ),
    Coupling(
        library="pytest",
        names=("_fixtureinfo", "name2fixturedefs"),
        used_in=("tests/conftest.py",),
        why="A test gets the mark `moto` if one of its fixtures starts moto.",
        test="pytest_knows_the_fixtures_of_a_test",
    ),
    Coupling(
        library="pytest-xdist",
        names=("_split_scope",),
        used_in=("tests/conftest.py",),
        why="All files of tests/infra go to one worker, which makes their templates once.",
        test="xdist_gives_a_worker_the_tests_of_a_scope",
    ),
    Coupling(
        library="ministack",
        names=(
            *("_apply_mfa_preference", "_associate_software_token", "_dispatch_idp", "_mfa_challenge_for_user"),
            *("_password_auth_result", "_refresh_auth_result", "_respond_to_auth_challenge", "_signed_jwt"),
            "_verify_software_token",
        ),
        used_in=("tools/engine_patches.py",),
        why="The patches replace these functions of the engine's Cognito. Its docstring lists the symptoms.",
        test="the_engines_cognito_calls_the_functions_that_the_patches_replace",
    ),
    Coupling(
        library="ministack",
        names=(
            *("_all_pools", "_pool_for_client", "_resolve_pool", "_resolve_user", "_token_claims"),
            *("_validate_password", "_users", "_totp_secret", "_totp_pending_secret", "_mfa_enabled", "_preferred_mfa"),
        ),
        used_in=("tools/engine_patches.py",),
        why="The patches call these functions, and change these fields of users.",
        test="the_engines_cognito_has_what_the_patches_use",
    ),
    Coupling(
        library="ministack",
        names=("_dynamodb_stream_positions", "_restore_esm_positions"),
        used_in=("tools/engine_patches.py",),
        why="A restarted engine would pass over as many records of streams as it had read before.",
        test="the_engine_restores_positions_of_streams_with_the_function_that_a_patch_replaces",
    ),
)
