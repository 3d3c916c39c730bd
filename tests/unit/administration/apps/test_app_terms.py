"""Tests changes of apps that need two people (going live, quotas, templates) and that one makes (trial, webhooks)."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from sandes.administration import approvals
from sandes.administration.apps import app_administration, app_templates, app_webhooks
from sandes.administration.apps.app_templates import APPROVE
from sandes.administration.apps.app_terms import CHANGE, QUOTA, Quota
from sandes.administration.apps.app_webhooks import AppWebhookDependencies
from sandes.administration.sign_in import FRESH_SECONDS
from sandes.apps.webhook_address import AddressRule
from sandes.apps.webhook_register import WebhookRegister
from sandes.crypto.audit_chain import details_of
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.model.administrator import Caller, Role
from sandes.model.ids import AppId, administrator_text, app_text, id_text, new_app_id, parse_app
from sandes.model.instant import Instant
from sandes.protocol.admin_apps_api import BackToTrial, TemplateDraft
from sandes.protocol.app_api import ChangeWebhook, NewWebhook
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.administered_apps import AppWorld
from tests.support.dynamodb import OvertakenClient
from tests.support.service import NOW_MS, Service

Json = dict[str, Any]
LONG = "न" * 2_000


@pytest.fixture
def world(service: Service) -> AppWorld:
    return AppWorld(service)


def refusal(call: Callable[..., Any], *arguments: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    return caught.value.code


def live(world: AppWorld) -> AppId:
    app = world.register().app
    world.approve(world.second, world.ask_to_go_live(world.officer, app).id)
    return app


def back(world: AppWorld, by: Caller, app: AppId) -> Any:
    body = BackToTrial(reason="complaints about spam")
    return app_administration.back_to_trial(by, app, body, now=Instant(NOW_MS), deps=world.deps)


def draft(app: AppId, **changed: Any) -> TemplateDraft:
    fields: Json = {"app": app_text(app), "name": "notice", "kind": "message", "texts": {"en": "Hello {{ name }}"}}
    return TemplateDraft.model_validate_json(json.dumps({**fields, **changed}))


# Going live, quotas


def test_two_take_an_app_live_and_the_list_says_so(world: AppWorld) -> None:
    app = world.register().app
    approval = world.ask_to_go_live(world.officer, app)
    assert world.stored(app).mode == "trial"
    assert world.approve(world.second, approval.id).decision == "executed"
    assert (world.stored(app).mode, world.stored(app).per_minute, world.stored(app).per_day) == ("live", 3_000, 250_000)
    page = app_administration.page(world.manager, world.at(world.west), after=None, limit=5, deps=world.registry)
    assert [one.mode for one in page.apps] == ["live"]
    entry = world.staff.entries(world.ministry)[-1]
    assert (entry.action, entry.subject) == ("app.go_live", app_text(app))
    assert world.staff.actions(world.ministry) == ["app.create", "app.go_live.requested", "app.go_live"]


def test_the_platforms_administrators_take_part(world: AppWorld) -> None:
    app = world.register().app
    world.approve(world.platform, world.ask_to_go_live(world.officer, app).id)
    quota = Quota(app=app, per_minute=9_000, per_day=1_000_000)
    world.approve(world.officer, world.ask(world.platform, QUOTA, quota).id)
    assert (world.stored(app).per_minute, world.stored(app).per_day) == (9_000, 1_000_000)


def test_who_keeps_apps_neither_asks_nor_approves(world: AppWorld) -> None:
    app = world.register().app
    assert refusal(world.ask_to_go_live, world.manager, app) is ErrorCode.NOT_FOUND
    assert refusal(world.ask_to_go_live, world.officer, new_app_id()) is ErrorCode.NOT_FOUND
    approval = world.ask_to_go_live(world.officer, app)
    assert refusal(world.approve, world.manager, approval.id) is ErrorCode.NOT_FOUND
    assert refusal(world.approve, world.officer, approval.id) is ErrorCode.OWN_REQUEST
    neighbour = world.staff.appoint(Role.NODAL_OFFICER, world.root)
    assert refusal(world.approve, neighbour, approval.id) is ErrorCode.SAME_UNIT
    assert world.stored(app).mode == "trial"


def test_an_app_of_no_organisation_is_nobodys_to_ask_about(world: AppWorld) -> None:
    made = world.service.operate("app.create", name="Old", organisation="MEA", scopes=["otp"], keys=[_key()])
    app = parse_app(made["app"])
    assert refusal(world.ask_to_go_live, world.platform, app) is ErrorCode.NOT_FOUND
    assert (world.stored(app).place, world.stored(app).mode) == (None, "trial")


def _key() -> Json:
    return {"public": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}


def test_only_a_trial_app_goes_live_and_only_a_live_one_has_a_quota(world: AppWorld) -> None:
    app = live(world)
    assert refusal(world.ask_to_go_live, world.officer, app) is ErrorCode.APP_MODE
    quota = world.ask(world.officer, QUOTA, Quota(app=app, per_minute=1, per_day=1))
    back(world, world.officer, app)
    assert (world.stored(app).mode, world.stored(app).per_minute, world.stored(app).per_day) == ("trial", 50, 50)
    assert refusal(world.approve, world.second, quota.id) is ErrorCode.APP_MODE
    assert refusal(world.ask, world.officer, QUOTA, Quota(app=app, per_minute=1, per_day=1)) is ErrorCode.APP_MODE
    assert world.stored(app).per_day == 50


def test_going_live_approved_twice_at_once_happens_once(world: AppWorld) -> None:
    app = world.register().app
    approval = world.ask_to_go_live(world.officer, app)
    third = world.staff.appoint(Role.NODAL_OFFICER, world.root, home=world.at(world.pune))
    other = lambda: world.approve(third, approval.id)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(late.approve, world.second, approval.id) is ErrorCode.APPROVAL_STATE
    assert world.staff.actions(world.ministry).count("app.go_live") == 1
    assert world.stored(app).mode == "live"


CHANGES: list[Json] = [
    {"name": "Income Tax Department"},
    {"scopes": ["otp"]},
    {"scopes": ["otp", "msg", "hook"]},
    {"sms": True},
]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("changed", CHANGES, ids=str)
def test_an_app_that_is_another_by_now_is_not_what_was_approved(world: AppWorld, changed: Json, when: str) -> None:
    app = world.register().app
    approval = world.ask_to_go_live(world.officer, app)

    def other() -> None:
        world.change(app, **changed)

    approving = world
    if when == "before":
        other()
    else:
        approving = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(approving.approve, world.second, approval.id) is ErrorCode.APPROVAL_STATE
    assert world.stored(app).mode == "trial"
    world.approve(world.second, world.ask_to_go_live(world.officer, app).id)
    assert world.stored(app).mode == "live"


def test_the_approver_sees_what_goes_live_and_other_changes_do_not_matter(world: AppWorld) -> None:
    app = world.register(sms=True).app
    approval = world.ask_to_go_live(world.officer, app)
    shown = approvals.read(world.second, approval.id, now=Instant(NOW_MS), deps=world.approvals).parameters
    assert shown == {"app": app_text(app), "name": "Passport Seva", "scopes": ["msg", "otp"], "sms": True}
    world.add_key(app)
    world.approve(world.second, approval.id)
    assert world.stored(app).mode == "live"


# Changes of a live app


@pytest.mark.parametrize("changed", [CHANGES[0], CHANGES[2], CHANGES[3]], ids=str)
def test_a_live_app_gets_another_name_or_more_rights_by_two(world: AppWorld, changed: Json) -> None:
    app = live(world)
    before = world.stored(app)
    for by in (world.manager, world.officer):
        assert refusal(world.change, app, by, **changed) is ErrorCode.APP_MODE
    asked = world.propose(app, **changed)
    assert (asked.operation, asked.parameters) == (CHANGE, {"app": app_text(app)} | changed)
    assert world.stored(app) == before
    assert refusal(world.approve, world.manager, asked.id) is ErrorCode.OWN_REQUEST
    world.approve(world.officer, asked.id)
    after = world.stored(app)
    shown: Json = {"name": after.name, "scopes": sorted(after.scopes), "sms": after.sms, "mode": after.mode}
    unchanged: Json = {"name": before.name, "scopes": sorted(before.scopes), "sms": before.sms, "mode": "live"}
    told = {name: sorted(value) if isinstance(value, list) else value for name, value in changed.items()}
    assert shown == unchanged | told
    entry = world.staff.entries(world.ministry)[-1]
    assert (entry.action, entry.subject, details_of(entry)) == (
        CHANGE,
        app_text(app),
        {"app": app_text(app), "requested_by": administrator_text(world.manager.id)} | changed,
    )


def test_who_asks_for_a_change_does_not_approve_it(world: AppWorld) -> None:
    app = live(world)
    asked = world.propose(app, world.officer, name="Vahan")
    assert refusal(world.approve, world.officer, asked.id) is ErrorCode.OWN_REQUEST
    by_manager = world.propose(app, name="Sarathi")
    assert refusal(world.approve, world.manager, by_manager.id) is ErrorCode.OWN_REQUEST
    world.staff.take(world.manager)
    assert refusal(world.approve, world.officer, by_manager.id) is ErrorCode.APPROVAL_STATE
    assert refusal(world.propose, app, world.platform, name="Vahan") is ErrorCode.NOT_FOUND
    assert world.stored(app).name == "Passport Seva"


def test_a_live_app_loses_rights_and_moves_by_one(world: AppWorld) -> None:
    app = live(world)
    changed = world.propose(app, scopes=["otp"], sms=False, name="Passport Seva", unit=id_text(world.pune))
    assert (changed.scopes, changed.unit, changed.mode) == (["otp"], world.pune, "live")
    assert refusal(world.propose, app, scopes=["msg"], unit=id_text(world.west)) is ErrorCode.INVALID_REQUEST
    assert refusal(world.propose, app, version=1, name="Vahan") is ErrorCode.PRECONDITION_FAILED
    assert "app.change.requested" not in world.staff.actions(world.ministry)


def test_an_app_on_trial_is_changed_at_once_but_not_once_it_is_live(world: AppWorld) -> None:
    app = world.register().app
    assert world.propose(app, name="Vahan", sms=True).name == "Vahan"
    asked = world.ask_to_go_live(world.officer, app)
    other = lambda: world.approve(world.second, asked.id)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(late.propose, app, name="Reserve Bank") is ErrorCode.APP_MODE
    assert (world.stored(app).name, world.stored(app).mode) == ("Vahan", "live")


def test_a_change_that_was_asked_for_is_not_made_once_the_app_is_on_trial_again(world: AppWorld) -> None:
    app = live(world)
    asked = world.propose(app, name="Vahan")
    back(world, world.officer, app)
    assert refusal(world.approve, world.officer, asked.id) is ErrorCode.APP_MODE
    assert world.stored(app).name == "Passport Seva"


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_app_that_has_moved_is_not_what_was_asked_about(world: AppWorld, when: str) -> None:
    app = world.register().app
    approval = world.ask_to_go_live(world.officer, app)

    def move() -> None:
        world.change(app, world.officer, unit=id_text(world.east))

    approving = world
    if when == "before":
        move()
    else:
        approving = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", move))
    assert refusal(approving.approve, world.second, approval.id) is ErrorCode.APPROVAL_STATE
    assert (world.stored(app).mode, world.stored(app).unit) == ("trial", world.east)


def test_one_person_with_the_right_to_terms_puts_an_app_back_on_trial(world: AppWorld) -> None:
    app = live(world)
    for by in (world.manager, world.staff.appoint(Role.AUDITOR, world.root)):
        assert refusal(back, world, by, app) is ErrorCode.NOT_FOUND
    assert world.stored(app).mode == "live"
    assert back(world, world.platform, app).mode == "trial"
    entry = world.staff.entries(world.ministry)[-1]
    assert (entry.action, details_of(entry)) == ("app.trial", {"reason": "complaints about spam"})
    assert refusal(back, world, world.officer, app) is ErrorCode.APP_MODE


# Templates


def templates(world: AppWorld, by: Caller, app: AppId, name: str | None = None, **page: Any) -> Any:
    where: Json = {"after": None, "limit": 50} | page
    if name is None:
        return app_templates.page(by, app, **where, deps=world.registry)
    return app_templates.versions(by, app, name, **where, deps=world.registry)


def test_a_managers_draft_is_a_version_once_a_nodal_officer_approves(world: AppWorld) -> None:
    app = world.register().app
    for number in (1, 2):
        text = {"en": f"Hello {{{{ name }}}} {number}", "hi": f"नमस्ते {{{{ name }}}} {number}"}
        asked = world.ask(world.manager, APPROVE, draft(app, texts=text))
        assert refusal(world.approve, world.manager, asked.id) is ErrorCode.OWN_REQUEST
        world.approve(world.officer, asked.id)
    (newest,) = templates(world, world.manager, app).templates
    assert (newest.name, newest.version, newest.variables, newest.texts["en"]) == (
        "notice",
        2,
        ["name"],
        "Hello {{ name }} 2",
    )
    assert [one.version for one in templates(world, world.officer, app, "notice").templates] == [2, 1]
    assert world.staff.actions(world.ministry)[-1] == "template.approve"


def test_a_nodal_officers_own_draft_takes_another_nodal_officer(world: AppWorld) -> None:
    app = world.register().app
    asked = world.ask(world.officer, APPROVE, draft(app))
    assert refusal(world.approve, world.officer, asked.id) is ErrorCode.OWN_REQUEST
    assert refusal(world.approve, world.manager, asked.id) is ErrorCode.NOT_FOUND
    assert refusal(templates, world, world.officer, app, "notice") is ErrorCode.NOT_FOUND
    world.approve(world.second, asked.id)
    assert templates(world, world.officer, app, "notice").templates[0].version == 1


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"texts": {"en": "{{ a.b }}"}}, "/texts/en"),
        ({"texts": {"en": "{{ a }}", "hi": "{{ b }}"}}, "/texts"),
        ({"texts": {"en": "{{ code }}"}}, "/texts"),
        ({"kind": "otp"}, "/texts"),
        ({"texts": {"en": "".join(f"{{{{ a{n} }}}}" for n in range(21))}}, "/texts"),
    ],
    ids=str,
)
def test_a_draft_at_fault_is_refused_when_it_is_drafted(world: AppWorld, changed: Json, pointer: str) -> None:
    app = world.register().app
    with pytest.raises(ProtocolError) as caught:
        world.ask(world.manager, APPROVE, draft(app, **changed))
    assert [fault["pointer"] for fault in caught.value.details["errors"]] == [pointer]
    assert world.staff.actions(world.ministry) == ["app.create"]


@pytest.mark.parametrize(
    "changed", [{"version": 4}, {"approved_at": 1}, {"variables": ["x"]}, {"name": "a#1"}], ids=str
)
def test_a_draft_says_nothing_else(changed: Json) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        draft(new_app_id(), **changed)


def test_a_template_keeps_its_kind(world: AppWorld) -> None:
    app = world.register().app
    code = draft(app, kind="otp", texts={"en": "{{ code }}"})
    first, second = world.ask(world.manager, APPROVE, draft(app)), world.ask(world.manager, APPROVE, code)
    world.approve(world.officer, first.id)
    assert refusal(world.approve, world.officer, second.id) is ErrorCode.INVALID_REQUEST
    assert [one.kind for one in templates(world, world.manager, app, "notice").templates] == ["message"]


def test_the_longest_texts_fit_an_approval_and_the_record_holds_their_hashes(world: AppWorld) -> None:
    app = world.register().app
    asked = world.ask(world.manager, APPROVE, draft(app, texts={"en": LONG, "hi": LONG, "mr": LONG}))
    world.approve(world.officer, asked.id)
    assert templates(world, world.manager, app, "notice").templates[0].texts["mr"] == LONG
    told = details_of(world.staff.entries(world.ministry)[-1]) or {}
    assert {len(digest) for digest in told["texts"].values()} == {64}


def test_drafts_approved_at_the_same_time_are_versions_one_after_the_other(world: AppWorld) -> None:
    app = world.register().app
    ids = [world.ask(world.manager, APPROVE, draft(app, texts={"en": f"text {n}"})).id for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda asked: world.approve(world.officer, asked), ids))
    found = templates(world, world.manager, app, "notice").templates
    assert [one.version for one in found] == [3, 2, 1]
    assert {one.texts["en"] for one in found} == {"text 0", "text 1", "text 2"}


def test_templates_are_shown_where_the_app_is(world: AppWorld) -> None:
    app = world.register(world.officer, unit=world.east).app
    world.approve(world.second, world.ask(world.officer, APPROVE, draft(app)).id)
    for call in (lambda: templates(world, world.manager, app), lambda: templates(world, world.manager, app, "notice")):
        assert refusal(call) is ErrorCode.NOT_FOUND
    assert refusal(world.ask, world.manager, APPROVE, draft(app)) is ErrorCode.NOT_FOUND


def test_templates_come_by_pages(world: AppWorld) -> None:
    app = world.register().app
    for name in ("a", "b", "a", "c"):
        world.approve(world.officer, world.ask(world.manager, APPROVE, draft(app, name=name)).id)
    names, after = [], None
    for _ in range(9):
        page = templates(world, world.manager, app, after=after, limit=2)
        names += [one.name for one in page.templates]
        after = page.cursor
        if after is None:
            break
    assert names == ["a", "b", "c"]
    first = templates(world, world.manager, app, "a", limit=1)
    assert (first.templates[0].version, first.cursor is not None) == (2, True)
    assert templates(world, world.manager, app, "a", limit=1, after=first.cursor).templates[0].version == 1
    assert refusal(templates, world, world.manager, app, after=first.cursor) is ErrorCode.INVALID_CURSOR
    assert refusal(templates, world, world.officer, app, "a", after=first.cursor) is ErrorCode.INVALID_CURSOR


# Webhooks


class Names:
    def addresses(self, host: str, port: int) -> list[str]:
        return ["10.0.0.1" if host.startswith("inside") else "93.184.216.34"]


def hooks(world: AppWorld) -> AppWebhookDependencies:
    register = WebhookRegister(world.registry.apps, WebhookKeys.of(b"w" * 32), AddressRule(Names(), ()))
    return AppWebhookDependencies(
        registry=world.registry, register=register, administrators=world.staff.store, recorder=world.staff.recorder
    )


def add_hook(world: AppWorld, app: AppId, by: Caller | None = None, url: str = "https://example.org/hook") -> Any:
    body = NewWebhook(url=url, events=["message.read", "message.read"])
    return app_webhooks.create(by or world.manager, app, body, now=Instant(NOW_MS), deps=hooks(world))


def change_hook(world: AppWorld, app: AppId, id: str, by: Caller | None = None, **wanted: Any) -> Any:
    body = ChangeWebhook(**wanted)
    return app_webhooks.change(by or world.manager, app, id, body, now=Instant(NOW_MS), deps=hooks(world))


def test_a_webhook_is_registered_with_a_secret_that_is_shown_once(world: AppWorld) -> None:
    app = world.register().app
    made = add_hook(world, app)
    assert made.secret
    (shown,) = app_webhooks.all_of(world.manager, app, deps=hooks(world)).webhooks
    assert (shown.id, shown.secret, shown.events) == (made.id, None, ["message.read"])
    assert world.stored(app).version == 1
    entry = world.staff.entries(world.ministry)[-1]
    assert entry.action == "app.webhook.create"
    assert made.secret not in json.dumps(details_of(entry))


def test_a_webhook_is_paused_moved_and_removed_on_the_record(world: AppWorld) -> None:
    app = world.register().app
    id = add_hook(world, app).id
    assert change_hook(world, app, id, paused=True).disabled == "paused"
    changed = change_hook(world, app, id, paused=False, url="https://example.org/other")
    assert (changed.disabled, changed.url) == (None, "https://example.org/other")
    assert refusal(change_hook, world, app, id, url="https://inside.example.org/") is ErrorCode.WEBHOOK_ADDRESS
    app_webhooks.remove(world.manager, app, id, now=Instant(NOW_MS), deps=hooks(world))
    gone = refusal(app_webhooks.remove, world.manager, app, id, now=Instant(NOW_MS), deps=hooks(world))
    assert gone is ErrorCode.NOT_FOUND
    assert refusal(change_hook, world, app, id, paused=True) is ErrorCode.NOT_FOUND
    assert world.staff.actions(world.ministry)[1:] == [
        "app.webhook.create",
        "app.webhook.change",
        "app.webhook.change",
        "app.webhook.remove",
    ]


def test_the_record_has_the_host_of_a_webhook_and_not_what_its_address_may_hide(world: AppWorld) -> None:
    app = world.register().app
    id = add_hook(world, app, url="https://example.org/hook/s3cret?token=s3cret").id
    change_hook(world, app, id, url="https://example.com/s3cret")
    told = [details_of(entry) or {} for entry in world.staff.entries(world.ministry)[1:]]
    assert [told[0]["host"], told[1]["changed"]] == ["example.org", {"host": "example.com"}]
    assert "s3cret" not in json.dumps(told)


def test_webhooks_are_kept_where_the_app_is(world: AppWorld) -> None:
    app = world.register(world.officer, unit=world.east).app
    id = add_hook(world, app, world.officer).id
    assert refusal(add_hook, world, app) is ErrorCode.NOT_FOUND
    assert refusal(change_hook, world, app, id, paused=True) is ErrorCode.NOT_FOUND
    assert refusal(app_webhooks.all_of, world.manager, app, deps=hooks(world)) is ErrorCode.NOT_FOUND
    remove = refusal(app_webhooks.remove, world.manager, app, id, now=Instant(NOW_MS), deps=hooks(world))
    assert remove is ErrorCode.NOT_FOUND
    assert world.stored(app).webhooks[id].disabled is None


def test_a_sixth_webhook_is_refused_also_when_two_come_at_once(world: AppWorld) -> None:
    app = world.register().app
    for _ in range(4):
        add_hook(world, app)
    other = lambda: add_hook(world, app, world.officer)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(add_hook, late, app) is ErrorCode.TOO_MANY_WEBHOOKS
    assert refusal(add_hook, world, app, url="https://inside.example.org/") is ErrorCode.TOO_MANY_WEBHOOKS
    assert len(world.stored(app).webhooks) == 5


def test_nobody_decides_on_an_approval_of_an_app_that_has_lost_the_right_to_ask(world: AppWorld) -> None:
    app = world.register().app
    asked = world.ask(world.manager, APPROVE, draft(app))
    world.staff.take(world.manager)
    with pytest.raises(ProtocolError) as caught:
        approvals.approve(world.officer, asked.id, now=Instant(NOW_MS), deps=replace(world.approvals))
    assert caught.value.code is ErrorCode.APPROVAL_STATE
    assert refusal(templates, world, world.officer, app, "notice") is ErrorCode.NOT_FOUND


# Right and place at the moment of the write

ACTS: dict[str, Callable[[AppWorld, AppId, str], Any]] = {
    "change": lambda world, app, _: world.change(app, name="Vahan"),
    "add a key": lambda world, app, _: world.add_key(app),
    "revoke a key": lambda world, app, _: app_administration.revoke_key(
        world.manager, app, next(iter(world.stored(app).keys)), now=Instant(NOW_MS), deps=world.deps
    ),
    "add a webhook": lambda world, app, _: add_hook(world, app),
    "change a webhook": lambda world, app, hook: change_hook(world, app, hook, paused=True),
    "remove a webhook": lambda world, app, hook: app_webhooks.remove(
        world.manager, app, hook, now=Instant(NOW_MS), deps=hooks(world)
    ),
    "draft": lambda world, app, _: world.ask(world.manager, APPROVE, draft(app)),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_loses_the_right_in_that_moment_does_nothing(world: AppWorld, act: str) -> None:
    app = world.register(key={}).app
    hook = add_hook(world, app).id
    before, told = world.stored(app), world.staff.actions(world.ministry)
    taking = lambda: world.staff.take(world.manager)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", taking))
    assert refusal(ACTS[act], late, app, hook) is ErrorCode.NOT_FOUND
    assert (world.stored(app), world.staff.actions(world.ministry)) == (before, told)


@pytest.mark.parametrize("act", list(ACTS)[:-1])
def test_what_moves_out_of_reach_in_that_moment_is_left_alone(world: AppWorld, act: str) -> None:
    app = world.register(key={}).app
    hook = add_hook(world, app).id
    moving = lambda: world.change(app, world.officer, unit=id_text(world.east))  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", moving))
    before = world.stored(app)
    assert refusal(ACTS[act], late, app, hook) is ErrorCode.NOT_FOUND
    after = world.stored(app)
    assert replace(after, unit=before.unit, version=before.version) == before
    assert after.unit == world.east
    assert world.staff.actions(world.ministry) == ["app.create", "app.webhook.create", "app.change"]


def test_where_a_webhook_goes_takes_a_fresh_sign_in_and_stopping_it_does_not(world: AppWorld) -> None:
    app = world.register().app
    id = add_hook(world, app).id
    stale = replace(world.manager, signed_in_at=NOW_MS // 1000 - FRESH_SECONDS - 1)
    assert refusal(add_hook, world, app, stale) is ErrorCode.FRESH_SIGN_IN_REQUIRED
    for wanted in ({"url": "https://example.com/"}, {"events": ["message.delivered"]}):
        assert refusal(change_hook, world, app, id, stale, **wanted) is ErrorCode.FRESH_SIGN_IN_REQUIRED
    assert change_hook(world, app, id, stale, paused=True).disabled == "paused"
    app_webhooks.remove(stale, app, id, now=Instant(NOW_MS), deps=hooks(world))
    assert world.stored(app).webhooks == {}
