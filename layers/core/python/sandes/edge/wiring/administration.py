"""Dependencies of functions/admin, and those that it shares with the other functions of the admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandes import runtime
from sandes.edge.clients import client_of, objects_client, secret_of
from sandes.edge.settings import AdminSettings
from sandes.runtime import once
from sandes.store.organisations import OrganisationStore

if TYPE_CHECKING:
    from sandes.administration.approvals import ApprovalDependencies
    from sandes.administration.audit.audit_heads import HeadsDependencies
    from sandes.administration.audit.audit_log import AuditLogDependencies
    from sandes.administration.complaints.complaints import ComplaintDependencies
    from sandes.administration.operators.first_administrators import FirstAdministratorDependencies
    from sandes.administration.operators.rekeying import RekeyDependencies
    from sandes.administration.organisations.places import PlaceDependencies
    from sandes.administration.people.verification_sweep import SweepDependencies
    from sandes.administration.recorder import Recorder
    from sandes.administration.roles.access_resets import AccessDependencies
    from sandes.administration.roles.assignments import AssignmentDependencies
    from sandes.administration.statistics.reports import ReportDependencies
    from sandes.crypto.pepper import Pepper
    from sandes.edge.admin.cognito import CognitoPool
    from sandes.edge.email import SesMailer
    from sandes.store.administrators import AdministratorStore


@once
def recorder() -> Recorder:
    """Build the recorder, one for each environment, because it remembers where the chains end."""
    from sandes.administration.recorder import Recorder
    from sandes.crypto.audit_chain import AuditKey
    from sandes.edge.settings import RecorderSettings
    from sandes.model.ids import parse_base64url
    from sandes.store.audit import AuditStore

    settings = RecorderSettings.load()
    store = AuditStore(client_of("dynamodb"), settings.audit_table)
    former = tuple(parse_base64url(key) for key in settings.audit_former_keys.split(",") if key)
    return Recorder(store, AuditKey.of(secret_of(settings.audit_secret)), former)


@once
def wire_operator() -> FirstAdministratorDependencies:
    from sandes.administration.operators.first_administrators import FirstAdministratorDependencies
    from sandes.edge.settings import OperatorSettings
    from sandes.store.administrators import AdministratorStore

    dynamodb, table = client_of("dynamodb"), OperatorSettings.load().directory_table
    return FirstAdministratorDependencies(
        administrators=AdministratorStore(dynamodb, table),
        organisations=OrganisationStore(dynamodb, table),
        pool=administrator_pool(),
        recorder=recorder(),
    )


@once
def wire_rekeying() -> RekeyDependencies:

    from sandes.administration.operators.rekeying import RekeyDependencies
    from sandes.store.rekeying import RekeyStore

    store = RekeyStore(client_of("dynamodb"), AdminSettings.load().directory_table)
    return RekeyDependencies(store, _pepper(), recorder(), runtime.elapsed)


def administrator_pool() -> CognitoPool:
    from sandes.edge.admin.cognito import CognitoPool
    from sandes.edge.settings import AdministratorPoolSettings

    settings = AdministratorPoolSettings.load()
    return CognitoPool(client_of("cognito-idp"), settings.administrator_pool, settings.federation_provider)


def mailer() -> SesMailer:
    from sandes.edge.email import SesMailer
    from sandes.edge.settings import MailSettings

    return SesMailer(client_of("sesv2"), MailSettings.load().mail_from)


def _access(table: str) -> AccessDependencies:
    from botocore.exceptions import BotoCoreError, ClientError

    from sandes.administration.roles.access_resets import AccessDependencies
    from sandes.store.access_resets import AccessResetStore
    from sandes.store.administrators import AdministratorStore

    dynamodb = client_of("dynamodb")
    return AccessDependencies(
        resets=AccessResetStore(dynamodb, table),
        administrators=AdministratorStore(dynamodb, table),
        organisations=OrganisationStore(dynamodb, table),
        pool=administrator_pool(),
        mailer=mailer(),
        recorder=recorder(),
        outages=(ClientError, BotoCoreError),
    )


@once
def wire_access() -> AccessDependencies:
    return _access(AdminSettings.load().directory_table)


@once
def wire_access_job() -> AccessDependencies:
    """Build the dependencies of the minute job, which has fewer settings than the admin API."""
    from sandes.edge.settings import AccessResetSettings

    return _access(AccessResetSettings.load().directory_table)


@once
def wire_administrators() -> AdministratorStore:
    """Build the store that identifies callers, for every function of the admin API."""
    from sandes.edge.settings import AdminSettings
    from sandes.store.administrators import AdministratorStore

    return AdministratorStore(client_of("dynamodb"), AdminSettings.load().directory_table)


@once
def wire_audit_log() -> AuditLogDependencies:
    from sandes.administration.audit.audit_log import AuditLogDependencies
    from sandes.crypto.pepper import Pepper
    from sandes.edge.objects import S3Objects
    from sandes.edge.settings import AdminFunctionSettings

    settings, chains = AdminFunctionSettings.load(), recorder()
    return AuditLogDependencies(
        store=chains.store,
        organisations=OrganisationStore(client_of("dynamodb"), settings.directory_table),
        heads=S3Objects(objects_client(), settings.heads_bucket),
        key=chains.key,
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        former=chains.former,
    )


@once
def wire_audit_heads() -> HeadsDependencies:
    from sandes.administration.audit.audit_heads import HeadsDependencies
    from sandes.edge.objects import S3Objects
    from sandes.edge.settings import AuditHeadsSettings

    settings, chains = AuditHeadsSettings.load(), recorder()
    objects = S3Objects(objects_client(), settings.heads_bucket)
    return HeadsDependencies(chains.store, objects, chains.key, chains.former)


@once
def wire_verification_sweep() -> SweepDependencies:
    from sandes.administration.people.verification_sweep import SweepDependencies
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import VerificationSweepSettings
    from sandes.store.routing import RoutingStore
    from sandes.store.verifications import VerificationStore

    settings = VerificationSweepSettings.load()
    dynamodb = client_of("dynamodb")
    return SweepDependencies(
        VerificationStore(dynamodb, settings.directory_table, RoutingStore(dynamodb, settings.routing_table)),
        SqsQueue(client_of("sqs"), settings.group_queue),
    )


@once
def wire_reports() -> ReportDependencies:
    from sandes.administration.statistics.reports import ReportDependencies
    from sandes.edge.settings import ReportSettings
    from sandes.store.apps import AppStore
    from sandes.store.statistics import StatisticsStore

    settings, dynamodb = ReportSettings.load(), client_of("dynamodb")
    return ReportDependencies(
        StatisticsStore(dynamodb, settings.statistics_table),
        OrganisationStore(dynamodb, settings.directory_table),
        AppStore(dynamodb, settings.directory_table),
        _pepper(),
    )


@once
def _pepper() -> Pepper:
    from sandes.crypto.pepper import Pepper

    return Pepper.of(secret_of(AdminSettings.load().pepper_secret))


def _organisations() -> OrganisationStore:
    return OrganisationStore(client_of("dynamodb"), AdminSettings.load().directory_table)


@once
def wire_places() -> PlaceDependencies:
    from sandes.administration.organisations.places import PlaceDependencies
    from sandes.edge.settings import AdminFunctionSettings
    from sandes.store.limits import LimitStore

    limits = LimitStore(client_of("dynamodb"), AdminFunctionSettings.load().limits_table)
    return PlaceDependencies(
        organisations=_organisations(),
        administrators=wire_administrators(),
        recorder=recorder(),
        pepper=_pepper(),
        limits=limits,
    )


@once
def wire_assignments() -> AssignmentDependencies:
    from sandes.administration.roles.assignments import AssignmentDependencies

    return AssignmentDependencies(
        administrators=wire_administrators(), organisations=_organisations(), recorder=recorder(), pepper=_pepper()
    )


@once
def wire_complaints() -> ComplaintDependencies:
    from sandes.administration.complaints.complaints import ComplaintDependencies
    from sandes.store.complaints import ComplaintStore

    store = ComplaintStore(client_of("dynamodb"), AdminSettings.load().directory_table)
    return ComplaintDependencies(
        store=store,
        administrators=wire_administrators(),
        organisations=_organisations(),
        recorder=recorder(),
        pepper=_pepper(),
    )


@once
def wire_approvals() -> ApprovalDependencies:
    """Build the dependencies of approvals, with every operation that needs two people, by its name in stored
    requests.
    """
    from sandes.administration.appointments import Appointments
    from sandes.administration.approvals import ApprovalDependencies
    from sandes.administration.apps.app_operations import app_operations
    from sandes.administration.apps.app_registry import RegistryDependencies
    from sandes.administration.organisations import mail_domains
    from sandes.administration.organisations.new_organisations import Appointing, Founding
    from sandes.administration.roles.access_resets import Resetting
    from sandes.administration.roles.assignments import Granting, Taking, TakingOneOfTwo
    from sandes.store.access_resets import AccessResetStore
    from sandes.store.approvals import ApprovalStore
    from sandes.store.apps import AppStore

    dynamodb, table, organisations = client_of("dynamodb"), AdminSettings.load().directory_table, _organisations()
    appointments = Appointments(wire_administrators(), administrator_pool(), organisations)
    registry = RegistryDependencies(AppStore(dynamodb, table), organisations, _pepper())
    return ApprovalDependencies(
        store=ApprovalStore(dynamodb, table),
        administrators=wire_administrators(),
        organisations=organisations,
        recorder=recorder(),
        pepper=_pepper(),
        operations={
            "organisation.create": Founding(appointments, organisations),
            mail_domains.OPERATION: mail_domains.SettingMailDomains(organisations),
            "officer.appoint": Appointing(appointments, organisations),
            "assignment.grant": Granting(appointments, organisations),
            "assignment.take": Taking(wire_administrators()),
            "officer.take": TakingOneOfTwo(wire_administrators()),
            "access.reset": Resetting(
                AccessResetStore(dynamodb, table), wire_administrators(), organisations, bool(mailer().sender)
            ),
            **app_operations(registry),
        },
    )
