"""Tests the register of apps: requests of operators, each refusal field by field, and concurrent requests."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.model.ids import base64url_text, id_text, new_organisation_id, parse_app, parse_organisation
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.dynamodb import OvertakenClient
from tests.support.otps import bubbles, send
from tests.support.service import DLT, LOGIN, NOW, PEPPER, Service
from tools.backstage.operations import BackstageDependencies, operate

Json = dict[str, Any]


_seeds = itertools.count(1)


def public_key() -> str:
    """Return another key each time, in the same order in each run, because tests are named by them."""
    return base64url_text(bytes(SigningKey(next(_seeds).to_bytes(32, "big")).verify_key))


def new_app(**changed: Any) -> Json:
    terms = {"operation": "app.create", "name": "Passport Seva", "organisation": "MEA", "scopes": ["otp"]}
    return {**terms, "keys": [{"public": public_key()}]} | changed


def refusal(service: Service, request: Json) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        operate(request, now_seconds=NOW, deps=service.operator_deps)
    return caught.value


def pointers(error: ProtocolError) -> list[str]:
    assert error.code in {ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_PHONE}
    return [fault["pointer"] for fault in error.details["errors"]]


# Apps


def test_an_app_starts_on_trial_with_fifty_a_day_and_no_sms(service: Service) -> None:
    made = operate(new_app(), now_seconds=NOW, deps=service.operator_deps)
    assert made["app"] == made["keys"][0]["id"].partition(".")[0]
    assert {name: made[name] for name in ("mode", "sms", "per_minute", "per_day", "guests", "webhooks")} == {
        "mode": "trial",
        "sms": False,
        "per_minute": 50,
        "per_day": 50,
        "guests": 0,
        "webhooks": 0,
    }
    assert made["keys"][0]["created_at"] == NOW
    assert service.operate("app.show", app=made["app"]) == made


def test_a_live_app_has_the_default_quotas(service: Service) -> None:
    made = operate(new_app(mode="live"), now_seconds=NOW, deps=service.operator_deps)
    assert (made["per_minute"], made["per_day"]) == (3_000, 250_000)


def test_an_app_may_belong_to_an_organisation(service: Service) -> None:
    id = id_text(service.organisation())
    made = operate(new_app(organisation_id=id), now_seconds=NOW, deps=service.operator_deps)
    assert made["organisation_id"] == id
    stored = service.app_view().apps.read(parse_app(made["app"]))
    assert stored is not None
    assert stored.organisation_id == parse_organisation(id)
    assert operate(new_app(), now_seconds=NOW, deps=service.operator_deps)["organisation_id"] is None
    unknown = id_text(new_organisation_id())
    assert pointers(refusal(service, new_app(organisation_id=unknown))) == ["/organisation_id"]
    assert pointers(refusal(service, new_app(organisation_id="MEA")))[0].endswith("/organisation_id")


def test_terms_change_mode_and_quotas(service: Service) -> None:
    app = service.app(mode="trial").app
    live = service.operate("app.terms", app=app, mode="live")
    assert (live["mode"], live["per_minute"], live["per_day"]) == ("live", 3_000, 250_000)
    raised = service.operate("app.terms", app=app, mode="live", per_minute=9_000, per_day=1_000_000)
    assert (raised["per_minute"], raised["per_day"]) == (9_000, 1_000_000)
    assert service.operate("app.terms", app=app, mode="trial")["per_day"] == 50


def test_guests_are_replaced_as_a_whole(service: Service) -> None:
    app = service.app(guests=["+919876543210", "+919876543211"]).app
    assert service.operate("app.guests", app=app, guests=["+919876543212"])["guests"] == 1
    assert service.operate("app.guests", app=app, guests=[])["guests"] == 0


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 65}, "/name"),
        ({"name": "a\u0007b"}, "/name"),
        ({"name": 1}, "/name"),
        ({"organisation": ""}, "/organisation"),
        ({"organisation": "x" * 129}, "/organisation"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": "otp"}, "/scopes"),
        ({"mode": "free"}, "/mode"),
        ({"sms": "yes"}, "/sms"),
        ({"guests": ["+919876543210"] * 201}, "/guests"),
        ({"guests": ["12345"]}, "/guests"),
        ({"keys": []}, "/keys"),
        ({"keys": [{"public": "AAAA"}]}, "/keys/0/public"),
        ({"keys": [{"public": base64url_text(b"\1" + bytes(31))}]}, "/keys/0/public"),
        ({"keys": [{"public": base64url_text(bytes(32))}]}, "/keys/0/public"),
        ({"keys": [{"public": public_key() + "="}]}, "/keys/0/public"),
        ({"keys": [{"test": True}]}, "/keys/0/public"),
        ({"keys": [{"public": public_key(), "networks": ["10.0.0.1/8"]}]}, "/keys/0/networks"),
        ({"keys": [{"public": public_key(), "networks": ["example.org"]}]}, "/keys/0/networks"),
        ({"keys": [{"public": public_key(), "networks": ["10.0.0.0/8"] * 21}]}, "/keys/0/networks"),
        ({"keys": [{"public": public_key(), "secret": "x"}]}, "/keys/0/secret"),
        ({"keys": [{"public": public_key()}] * 5}, "/keys"),
        ({"per_day": 10}, "/per_day"),
        ({"id": "mine"}, "/id"),
    ],
    ids=str,
)
def test_each_wrong_field_of_a_new_app_is_named(service: Service, changed: Json, pointer: str) -> None:
    assert pointers(refusal(service, new_app(**changed))) == [pointer]


@pytest.mark.parametrize("name", ["name", "organisation", "scopes", "keys"])
def test_each_missing_field_of_a_new_app_is_named(service: Service, name: str) -> None:
    request = new_app()
    del request[name]
    assert pointers(refusal(service, request)) == [f"/{name}"]


@pytest.mark.parametrize("request_", [{}, {"operation": "app.destroy"}, {"operation": 1}, {"operation": None}])
def test_an_operation_that_does_not_exist_is_refused(service: Service, request_: Json) -> None:
    assert refusal(service, request_).code is ErrorCode.INVALID_REQUEST


UNKNOWN = "aaaaaaaaaaaaa"
NO_ID = "aaaaaaaaaaaab"
"""The last character of this text has a non-zero unused bit, so it cannot be an id."""


@pytest.mark.parametrize(("app", "code"), [(UNKNOWN, ErrorCode.NOT_FOUND), (NO_ID, ErrorCode.INVALID_REQUEST)])
@pytest.mark.parametrize(
    "operation",
    [
        {"operation": "app.show"},
        {"operation": "app.terms", "mode": "live"},
        {"operation": "app.guests", "guests": []},
        {"operation": "key.add", "public": public_key()},
        {"operation": "key.revoke", "key": "abcdefgh"},
        {"operation": "template.put", "name": "t", "kind": "message", "texts": {"en": "x"}},
    ],
    ids=lambda operation: str(operation["operation"]),
)
def test_nothing_can_be_done_to_an_app_that_does_not_exist(
    service: Service, operation: Json, app: str, code: ErrorCode
) -> None:
    assert refusal(service, operation | {"app": app}).code is code
    assert service.app_view().apps.read(parse_app(UNKNOWN)) is None


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"mode": "free"}, "/mode"),
        ({"per_minute": 0}, "/per_minute"),
        ({"per_minute": 100_001}, "/per_minute"),
        ({"per_day": 0}, "/per_day"),
        ({"per_day": 10_000_001}, "/per_day"),
        ({"per_day": 1.5}, "/per_day"),
        ({"app": "x"}, "/app"),
        ({"sms": True}, "/sms"),
    ],
    ids=str,
)
def test_each_wrong_field_of_terms_is_named(service: Service, changed: Json, pointer: str) -> None:
    request = {"operation": "app.terms", "app": "a" * 13, "mode": "live"} | changed
    assert pointers(refusal(service, request)) == [pointer]


# Keys


def test_a_key_is_added_and_revoked_by_its_id_with_or_without_the_apps(service: Service) -> None:
    app = service.app()
    more = service.operate("key.add", app=app.app, public=public_key(), networks=["10.0.0.0/8", "2001:db8::/32"])
    (added,) = [key for key in more["keys"] if key["id"] != app.kid]
    assert (added["test"], added["networks"]) == (False, ["10.0.0.0/8", "2001:db8::/32"])
    assert len(service.operate("key.revoke", app=app.app, key=app.kid)["keys"]) == 1
    bare = added["id"].partition(".")[2]
    assert service.operate("key.revoke", app=app.app, key=bare)["keys"] == []


def test_a_third_key_is_refused_and_test_keys_count_apart(service: Service) -> None:
    app = service.app()
    service.more_keys(app)
    for _ in range(2):
        service.more_keys(app, test=True)
    for test in (False, True):
        request = {"operation": "key.add", "app": app.app, "public": public_key(), "test": test}
        assert refusal(service, request).code is ErrorCode.TOO_MANY_KEYS
    service.operate("key.revoke", app=app.app, key=app.kid)
    service.more_keys(app)


@pytest.mark.parametrize(("live", "test", "fine"), [(2, 2, True), (3, 0, False), (0, 3, False), (1, 3, False)])
def test_a_new_app_has_at_most_two_keys_of_a_kind(service: Service, live: int, test: int, fine: bool) -> None:
    keys = [{"public": public_key(), "test": number >= live} for number in range(live + test)]
    if fine:
        assert len(operate(new_app(keys=keys), now_seconds=NOW, deps=service.operator_deps)["keys"]) == 4
    else:
        assert refusal(service, new_app(keys=keys)).code is ErrorCode.TOO_MANY_KEYS


def test_keys_added_at_the_same_time_are_still_at_most_two(service: Service) -> None:
    app = service.app()

    def add(_: int) -> str:
        try:
            operate(
                {"operation": "key.add", "app": app.app, "public": public_key()},
                now_seconds=NOW,
                deps=service.operator_deps,
            )
        except ProtocolError as refused:
            return refused.code
        return "added"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(add, range(8)))
    assert sorted(outcomes) == ["added"] + [ErrorCode.TOO_MANY_KEYS] * 7
    assert len(service.operate("app.show", app=app.app)["keys"]) == 2


def overtaken(service: Service, method: str, other: Json) -> BackstageDependencies:
    """Return dependencies in which another operator's request comes before the first call of `method`."""
    client = OvertakenClient(
        service.client, method, lambda: operate(other, now_seconds=NOW, deps=service.operator_deps)
    )
    return replace(
        service.operator_deps,
        registry=RegistryDependencies(service.app_view(client).apps, service.organisations, PEPPER),
    )


def test_a_key_added_while_another_was_being_added_is_the_third_and_refused(service: Service) -> None:
    app = service.app().app
    request = {"operation": "key.add", "app": app}
    deps = overtaken(service, "update_item", request | {"public": public_key()})
    with pytest.raises(ProtocolError) as caught:
        operate(request | {"public": public_key()}, now_seconds=NOW, deps=deps)
    assert caught.value.code is ErrorCode.TOO_MANY_KEYS
    assert len(service.operate("app.show", app=app)["keys"]) == 2


def test_a_version_put_while_another_was_being_put_is_the_one_after_it(service: Service) -> None:
    app = service.app().app
    operate(put(app), now_seconds=NOW, deps=service.operator_deps)
    deps = overtaken(service, "transact_write_items", put(app, texts={"en": "first"}))
    assert operate(put(app, texts={"en": "second"}), now_seconds=NOW, deps=deps)["version"] == 3
    kept = [service.app_view().apps.template(parse_app(app), "notice", version) for version in (2, 3, None)]
    assert [template.texts["en"] for template in kept if template] == ["first", "second", "second"]


@pytest.mark.parametrize("key", ["", "abcdefg", "ABCDEFGH", "abcdefgh.abcdefgh", "x y"])
def test_what_is_no_key_id_is_refused(service: Service, key: str) -> None:
    request = {"operation": "key.revoke", "app": service.app().app, "key": key}
    assert pointers(refusal(service, request)) == ["/key"]


def test_a_key_is_revoked_only_where_it_is(service: Service) -> None:
    app, stranger = service.app(), service.app()
    for key in (stranger.kid, stranger.kid.partition(".")[2], "abcdefgh"):
        request = {"operation": "key.revoke", "app": app.app, "key": key}
        assert refusal(service, request).code is ErrorCode.NOT_FOUND
    assert len(service.operate("app.show", app=stranger.app)["keys"]) == 1


# Templates


def put(app: str, **changed: Any) -> Json:
    request = {"operation": "template.put", "app": app, "name": "notice", "kind": "message"}
    return {**request, "texts": {"en": "Hello {{ name }}"}} | changed


def test_a_template_gets_versions_and_all_of_them_stay_in_use(service: Service) -> None:
    app, person = service.app(), service.person()
    for version in (2, 3):
        texts = {"en": f"{{{{ code }}}} {{{{ service }}}} {version}"}
        made = service.operate("template.put", app=app.app, name="login", kind="otp", texts=texts, **DLT)
        assert made == {"app": app.app, "template": "login", "version": version}
    for wanted in (None, 1, 2):
        send(service, app, person, version=wanted)
    said = [bubble["text"].partition(" ")[2] for bubble in bubbles(service, person)]
    assert sorted(said) == ["is your code for passports. Tell it to nobody.", "passports 2", "passports 3"]


def test_versions_put_at_the_same_time_are_each_another_one(service: Service) -> None:
    app = service.app().app

    def one(number: int) -> int:
        texts = {"en": f"text {number}"}
        return int(operate(put(app, texts=texts), now_seconds=NOW, deps=service.operator_deps)["version"])

    with ThreadPoolExecutor(4) as pool:
        versions = sorted(pool.map(one, range(4)))
    assert versions == [1, 2, 3, 4]
    apps = service.app_view().apps
    kept = [apps.template(parse_app(app), "notice", version) for version in versions]
    assert len({template.texts["en"] for template in kept if template}) == 4
    newest = apps.template(parse_app(app), "notice", None)
    assert newest == kept[-1]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"name": "Notice"}, "/name"),
        ({"name": "a#1"}, "/name"),
        ({"name": "x" * 49}, "/name"),
        ({"kind": "sms"}, "/kind"),
        ({"texts": {}}, ""),
        ({"texts": {"hi": "x"}}, ""),
        ({"texts": {"en": ""}}, "/texts/en"),
        ({"texts": {"en": "x" * 2_001}}, "/texts/en"),
        ({"texts": {"en": "x\0"}}, "/texts/en"),
        ({"texts": {"en": "x", "fr": "y"}}, "/texts/fr"),
        ({"texts": {"en": "{{ a.b }}"}}, "/texts/en"),
        ({"texts": {"en": "{% if a %}x{% endif %}"}}, "/texts/en"),
        ({"texts": {"en": "{{ a }}", "hi": "{{ a }"}}, "/texts/hi"),
        ({"texts": {"en": "{{ a }}", "hi": "{{ b }}"}}, "/texts"),
        ({"texts": {"en": "{{ a }}", "hi": "x"}}, "/texts"),
        ({"texts": {"en": "{{ code }}"}}, "/texts"),
        ({"texts": {"en": "no code"}, "kind": "otp"}, "/texts"),
        ({"texts": {"en": "".join(f"{{{{ a{n} }}}}" for n in range(21))}}, "/texts"),
        ({"dlt_entity": "1101"}, ""),
        ({"dlt_templates": {"en": "1107"}}, ""),
        ({"dlt_entity": "1101", "dlt_templates": {"hi": "1107"}}, ""),
        ({"dlt_entity": "x", "dlt_templates": {"en": "1107"}}, "/dlt_entity"),
        ({"dlt_entity": "1" * 31, "dlt_templates": {"en": "1107"}}, "/dlt_entity"),
        ({"dlt_entity": "1101", "dlt_templates": {"en": "a"}}, "/dlt_templates/en"),
        ({"texts": {"en": "Dear {#var#}, {{ a }}"}}, "/texts/en"),
        ({"texts": {"en": "{{ a }}"}, "may_be_empty": ["b"]}, "/may_be_empty/0"),
        ({"texts": {"en": "{{ a }}"}, "may_be_empty": ["A"]}, "/may_be_empty/0"),
        ({"texts": {"en": "{{ code }}"}, "kind": "otp", "may_be_empty": ["code"]}, "/may_be_empty/0"),
        ({"version": 4}, "/version"),
    ],
    ids=str,
)
def test_each_wrong_field_of_a_template_is_named_and_no_version_comes_of_it(
    service: Service, changed: Json, pointer: str
) -> None:
    app = service.app().app
    assert pointers(refusal(service, put(app, **changed))) == [pointer]
    assert [one.name for one in service.app_view().apps.templates_page(parse_app(app), limit=100)[0]] == ["login"]


def test_a_template_says_which_values_may_be_empty(service: Service) -> None:
    app = service.app().app
    service.operate(
        "template.put", app=app, name="sum", kind="message", texts={"en": "{{ a }} {{ b }}"}, may_be_empty=["b"]
    )
    template = service.app_view().apps.template(parse_app(app), "sum", None)
    assert template is not None
    assert sorted(template.variables) == ["a", "b"]
    assert sorted(template.may_be_empty) == ["b"]


def test_a_template_keeps_its_kind(service: Service) -> None:
    app = service.app().app
    assert pointers(refusal(service, put(app, name="login"))) == ["/kind"]
    assert service.operate("template.put", app=app, name="login", kind="otp", texts=LOGIN)["version"] == 2
