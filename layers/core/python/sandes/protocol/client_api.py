"""Bodies of the HTTPS client API, from which docs/protocol/client-openapi.json is generated."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sandes.protocol.fields import (
    AccountField,
    Answer,
    AppField,
    Bytes,
    Email,
    EmailOrNone,
    GroupField,
    Key32,
    Name,
    OneLine,
    OrganisationField,
    Salt16,
    Signature64,
    UnitField,
    Wire,
    Written,
)

PhoneText = Annotated[str, Field(min_length=1, max_length=64, description="international form, +91 98765 43210")]
PHONE_PATTERN = r"^\+[1-9][0-9]{6,14}$"
CodeText = Annotated[str, Field(pattern=r"^[0-9]{6}$", description="the six digits of the SMS")]
EpochSeconds = Annotated[int, Field(description="epoch seconds, UTC")]
DeviceNumberField = Annotated[int, Field(ge=1, le=255)]
KeyNumber = Annotated[int, Field(ge=1, le=2**32 - 1)]
OneTimeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]


class StartRegistration(Wire):
    phone: PhoneText
    purpose: Literal["register", "change_phone"] = "register"


class RegistrationStarted(Answer):
    """Describes a registration. The answer is the same whether or not the number has an account."""

    id: OneTimeId
    phone: Annotated[str, Field(pattern=PHONE_PATTERN, description="the number that gets the code, in E.164")]
    code_expires_at: EpochSeconds
    resend_after: EpochSeconds
    attempts_left: int
    server_time: Annotated[int, Field(description="epoch milliseconds")]


class SignedSealKey(Wire):
    """Holds a seal key. `signature` is the device key's Ed25519 signature.

    It covers `SANDES1/seal-key` 00, number (4 bytes), public (32 bytes).
    """

    number: KeyNumber
    public: Key32
    signature: Signature64


class NewDevice(Wire):
    """Holds the public keys of a new device.

    `proof` is an Ed25519 signature by the device key. At a registration it covers `SANDES1/register` 00, the
    registration's id (22 characters) and identity_key (32 bytes). At a link it covers the statement of the act `add`,
    which the link's key signs too. It shows that the caller holds the key and made this call for this registration or
    link.
    """

    identity_key: Key32
    seal_key: SignedSealKey
    name: Annotated[str, Field(min_length=1, max_length=64)]
    platform: Annotated[str, Field(min_length=1, max_length=32)]
    proof: Signature64


class VerifyRegistration(Wire):
    code: CodeText
    device: NewDevice


class Registered(Answer):
    account: AccountField
    device: DeviceNumberField
    registration_id: int


class OpenLink(Wire):
    """Opens a link. `link` is the public half of an Ed25519 pair that the opening device makes for this one link.

    The new device gets the secret half from the opening device's screen. The server never sees it.
    """

    link: Key32


class LinkOpened(Answer):
    """Describes a link. Its id follows from the link's key, so opening the same link again gets the same answer."""

    id: OneTimeId
    expires_at: EpochSeconds


class LinkDevice(Wire):
    """Links a new device. `signature` is the link key's Ed25519 signature.

    It covers the statement of the act `add`, made at `at` for `account`. `device.proof` is the new device's signature
    over the same statement.
    """

    link: Key32
    account: AccountField
    at: Annotated[int, Field(ge=0, le=2**53 - 1, description="epoch milliseconds")]
    signature: Signature64
    device: NewDevice


class DeviceEntry(Answer):
    device: DeviceNumberField
    registration_id: int
    name: str
    platform: str
    linked_at: EpochSeconds
    current: bool


class DeviceList(Answer):
    devices: list[DeviceEntry]


class Me(Answer):
    account: AccountField
    device: DeviceNumberField
    phone: str
    account_class: Literal["public", "verified"]
    created_at: EpochSeconds
    seal_key_number: int


class ChangePhone(Wire):
    """Changes the number. `phone` is the number in the answer that started the registration."""

    registration: OneTimeId
    phone: Annotated[str, Field(pattern=PHONE_PATTERN, description="E.164")]
    code: CodeText


class Lookup(Wire):
    phone: PhoneText


class Found(Answer):
    account: AccountField


class DeviceKeys(Answer):
    device: DeviceNumberField
    registration_id: int
    identity_key: Key32


class AccountKeys(Answer):
    """Lists every device of an account with its identity key."""

    account: AccountField
    devices: list[DeviceKeys]


Audience = Literal["everyone", "officials", "organisation", "nobody"]
ProfileFieldName = Literal["name", "photo", "post", "number", "email", "last_seen"]


class Disclosure(Answer):
    """Opens a field of an attestation that the viewer may see.

    The attestation contains BLAKE2b-256 of `value`, keyed with `salt`.
    """

    field: Literal["name", "post", "unit"]
    salt: Salt16
    value: str


class Attestation(Answer):
    """Holds the platform's signed statement that an organisation verifies an account (docs/protocol/attestation.md).

    `statement` is CBOR. `signature` is Ed25519 over `SANDES1/attestation` 00 and the statement, by a key of GET
    /v1/attestation-key. `disclosures` omits the fields that the viewer may not see.
    """

    statement: Bytes
    signature: Signature64
    disclosures: list[Disclosure]


class Profile(Answer):
    """Describes a person as the viewer may see them. Hidden and missing fields are both absent."""

    account: AccountField
    account_class: Literal["public", "verified"]
    name: str | None = None
    post: str | None = None
    number: str | None = None
    email: str | None = None
    photo: Bytes | None = None
    photo_type: Literal["image/jpeg", "image/png", "image/webp"] | None = None
    last_seen: (
        Annotated[int, Field(description="epoch seconds; the present time while a device is connected")] | None
    ) = None
    organisation: OrganisationField | None = None
    organisation_name: str | None = None
    attestation: Attestation | None = None


class OwnProfile(Profile):
    """Describes the caller, with the audience of each field: by the organisation's policy, and by the caller's own
    stricter choice.
    """

    policy: dict[ProfileFieldName, Audience]
    choices: dict[ProfileFieldName, Audience]


class ChangeProfile(Wire):
    """Changes the caller's profile. Absent fields stay unchanged; an empty text removes a field.

    `photo` is a JPEG, PNG or WebP of at most 16 KiB. The organisation sets name, post and email of a verified official,
    so they cannot be changed here.
    """

    name: Annotated[str, Name, Field(max_length=64)] | None = None
    email: EmailOrNone | None = None
    photo: Bytes | None = None
    choices: dict[ProfileFieldName, Audience] | None = None


class AttestationKeyIntroduction(Answer):
    """Introduces a key that signs attestations (docs/protocol/attestation.md). The first key has no signature."""

    statement: Annotated[Bytes, Field(description="deterministic CBOR")]
    signature: Annotated[
        Signature64 | None, Field(description="Ed25519 signature by the successor key of the previous key")
    ] = None


class AttestationKeyList(Answer):
    """Lists the Ed25519 keys that sign attestations, in order. Pin them. Refuse attestations of keys below `oldest`."""

    oldest: Annotated[int, Field(ge=1, le=255)]
    introductions: list[AttestationKeyIntroduction]


RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32}$")]


class NewVerificationRequest(Wire):
    """Asks an organisation to verify the caller. By default, `unit` is the organisation itself."""

    organisation: OrganisationField
    unit: UnitField | None = None
    name: Annotated[str, Name, Written, Field(min_length=1, max_length=64)]
    post: Annotated[str, Name, Written, Field(min_length=1, max_length=128)]
    email: Email | None = None


class OwnVerificationRequest(Answer):
    """Describes a verification request. `reason` is that of a rejection.

    `source` `import`: an organisation's import named the number, and the request is sent automatically once the number
    is registered. `lapsed`: it was not decided in time, or the requesting device was unlinked.
    """

    id: RequestId
    organisation: OrganisationField
    unit: UnitField
    name: str
    post: str
    email: str | None = None
    source: Literal["device", "import"]
    state: Literal["open", "verified", "rejected", "lapsed"]
    requested_at: EpochSeconds
    lapses_at: EpochSeconds
    decided_at: EpochSeconds | None = None
    reason: str | None = None


class OwnVerificationRequests(Answer):
    """Lists the last request to each organisation, the newest first."""

    requests: list[OwnVerificationRequest]


def _plain(text: str) -> str:
    """Check a text. Raises ValueError for control characters other than line feed and tab, and for lone surrogates."""
    if any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in text):
        raise ValueError("control characters are not allowed")
    text.encode()
    return text


class Report(Wire):
    """Complains about exactly one of `account`, `group` and `app`."""

    account: AccountField | None = None
    group: GroupField | None = None
    app: AppField | None = None
    category: Literal["spam", "abuse", "impersonation", "fraud", "other"]
    text: Annotated[str, AfterValidator(_plain), Field(max_length=1000)] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.account, self.group, self.app)) != 1:
            raise ValueError("give exactly one of account, group and app")
        return self


class Search(Wire):
    """Searches the caller's organisation for words of a name or post. Beginnings of words are enough."""

    query: Annotated[str, OneLine, Field(min_length=2, max_length=64)]
    limit: Annotated[int, Field(ge=1, le=25)] = 25


class SearchResults(Answer):
    """Lists the people found. If `more` is true, there are others; search with more words."""

    people: list[Profile]
    more: bool


class InvitationEntry(Answer):
    """Describes an invitation. `expires_at` is absent unless a message made the invitation."""

    account: AccountField
    created_at: EpochSeconds
    expires_at: EpochSeconds | None = None


class InvitationList(Answer):
    """Lists citizens who may write to the caller although the caller is not listed."""

    invitations: list[InvitationEntry]
    cursor: str | None = None


GroupName = Annotated[str, Name, Field(min_length=1, max_length=100)]
GroupPosting = Literal["all", "admins"]
GroupRole = Literal["owner", "admin", "member"]


class NewGroup(Wire):
    """Creates an informal group. The caller draws `ref` at random; the same `ref` returns the same group."""

    ref: OneTimeId
    name: GroupName
    posting: GroupPosting = "all"


class Group(Answer):
    """Describes a group. `version` rises with every change of the group or its members; then make new sender keys.

    `role` is the caller's. It is absent if the caller is only invited or may join. `expires_at` is that of the
    invitation.
    """

    group: GroupField
    name: str
    kind: Literal["informal", "official"]
    audience: Literal["members", "officials", "citizens"]
    posting: GroupPosting
    open: bool
    members: int
    limit: int
    version: int
    organisation: OrganisationField | None = None
    unit: UnitField | None = None
    app: AppField | None = None
    role: GroupRole | None = None
    invited: bool = False
    expires_at: EpochSeconds | None = None
    created_at: EpochSeconds


class GroupEntry(Answer):
    """Describes a group that the caller is a member of (`role`), or is invited to (`expires_at`)."""

    group: GroupField
    name: str
    role: GroupRole | None = None
    expires_at: EpochSeconds | None = None


class GroupPage(Answer):
    groups: list[GroupEntry]
    cursor: str | None = None


class ChangeGroup(Wire):
    """Changes a group. Absent fields stay unchanged."""

    name: GroupName | None = None
    posting: GroupPosting | None = None
    open: bool | None = None


class PutMember(Wire):
    """Sets a member's role. `owner` hands an informal group over; its owner becomes an admin."""

    role: GroupRole = "member"


class GroupMember(Answer):
    """Describes a member, with name and post if the caller may see them.

    Somebody with `state` `invited` joins by PUT of their own account.
    """

    account: AccountField
    state: Literal["member", "invited"]
    role: GroupRole
    joined_at: Annotated[int, Field(description="epoch milliseconds")] | None = None
    account_class: Literal["public", "verified"] | None = None
    name: str | None = None
    post: str | None = None


class GroupMembers(Answer):
    members: list[GroupMember]
    version: int
    cursor: str | None = None


class GroupDelivery(Answer):
    """Describes the progress of a message to a group: `devices` stored for, of which `waiting` have not fetched it.

    `complete` is true once it is stored for all members. With a `cursor`, `waiting` covers one page of members: add the
    pages up.
    """

    members: int
    devices: int
    waiting: int
    complete: bool
    cursor: str | None = None


class Fault(Answer):
    pointer: str
    code: str
    message: str | None = None


class Problem(Answer):
    """Holds RFC 9457 problem details. Branch on `code`."""

    type: str
    title: str
    status: int
    code: str
    request_id: str
    detail: str | None = None
    retry_after: int | None = None
    server_time: Annotated[int, Field(description="epoch milliseconds")] | None = None
    attempts_left: int | None = None
    audience: Annotated[str, Field(description="with `token_audience`: the audience of this service")] | None = None
    reason: (
        Annotated[Literal["unlinked", "replaced"], Field(description="with `revoked`: why the device was removed")]
        | None
    ) = None
    approval: (
        Annotated[str, Field(description="with `already_pending`: the approval that requests the same change")] | None
    ) = None
    mail_domains: (
        Annotated[list[str], Field(description="with `mail_domain_not_allowed`: the domains that are allowed")] | None
    ) = None
    errors: list[Fault] | None = None
