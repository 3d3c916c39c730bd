"""Holds what every specification says about itself: contact, licence, and the tags that group its operations."""

from __future__ import annotations

from typing import Final

from tools.specs.schemas import Json

CONTACT: Final[Json] = {
    "name": "Sandes maintainers",
    "url": "https://sandes.example",
    "email": "maintainers@sandes.example",
}
LICENCE: Final[Json] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
ASYNCAPI_LICENCE: Final[Json] = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
"""Licence in AsyncAPI, which has no `identifier` and names the page of the licence instead."""

TAGS: Final[dict[str, str]] = {
    "accounts": "Profiles, look-up, search and the devices of other people.",
    "app-groups": "Groups that an app manages, and their rosters.",
    "approvals": "Requests that a second administrator approves or rejects.",
    "apps": "Governance apps with their keys, guests, quotas and webhooks.",
    "assignments": "Roles that administrators hold, and where they hold them.",
    "attestation-key": "The public keys that attestations of officials are checked with.",
    "audit": "The audit chains, their signed heads and the key that signs them.",
    "batches": "Messages to many recipients, from rows or from an uploaded file.",
    "blocks": "People whom the caller has blocked.",
    "complaints": "Complaints that people have filed, and what became of them.",
    "devices": "The devices of the caller's account: linking, unlinking, seal keys.",
    "events": "The feed of events about what an app has sent.",
    "groups": "Informal and official groups, their members and roles.",
    "imports": "Imports of officials from a file.",
    "invitations": "Citizens whom the caller has invited to write.",
    "me": "The caller's own account, profile and phone number, or the administrator's own roles.",
    "messages": "Messages and notices of an app, their status and their recall.",
    "organisations": "Organisations, their nodal officers and their visibility policy.",
    "otps": "One-time passwords: send, check, resend, cancel.",
    "people": "Officials and other account holders, as administrators see and change them.",
    "registrations": "Registering a device by a code that is sent to a phone number.",
    "reports": "Complaints of the caller about a person, a group or an app.",
    "service-keys": "The public keys that prove what the service has sealed.",
    "stats": "Statistics of an organisation, an app or the platform.",
    "templates": "Texts of apps: drafts, versions, previews.",
    "units": "The units of an organisation, as a tree.",
    "usage": "The quotas of an app, and what is left of them.",
    "verification-requests": "Requests of people to be verified by an organisation.",
    "webhooks": "Addresses to which an app's events are posted, and the deliveries to them.",
}
"""Tags with descriptions. An operation has the tag of its path's first word after `/v1`."""


def tag_operations(document: Json) -> None:
    """Give each operation of an OpenAPI document its tag, and list the used tags.

    Raise KeyError for a path whose first word has no description in TAGS.
    """
    used: set[str] = set()
    for path, item in document["paths"].items():
        tag = path.partition("/v1/")[2].partition("/")[0]
        used.add(tag)
        for operation in item.values():
            operation["tags"] = [tag]
    document["tags"] = [{"name": tag, "description": TAGS[tag]} for tag in sorted(used)]
