"""What is wrong with a field: machine codes of `errors`, each with a sentence (docs/protocol/README.md, "Faults")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_FAULTS = 10

REASONS = {
    "at_most_N_bytes": "This has more than {0} bytes.",
    "at_most_N_characters": "This has more than {0} characters.",
    "after_its_end": "This lies after the end of the time asked for.",
    "at_most_N_periods": "There are more than {0} hours or days in this.",
    "at_most_N_rows": "There are more than {0} rows.",
    "at_most_N_seconds": "This is more than {0} seconds ahead.",
    "at_most_N_variables": "A template has {0} variables at most.",
    "between_N_and_N_seconds_from_now": "This must lie between {0} and {1} seconds from now.",
    "code_in_otps_only": "Texts of one-time passwords, and only they, have {{{{ code }}}}.",
    "credentials": "The address must hold no user name or password.",
    "device_named_twice": "There are two copies for one device.",
    "empty": "This template allows no empty value here.",
    "fragment": "The address must have no fragment.",
    "host": "This is not a host name that webhooks can go to.",
    "in_no_unit": "An app manages this group: it is in no unit.",
    "informal_groups_only": "Only informal groups have an owner.",
    "invalid_phone": "This is not a phone number in international form.",
    "is_the_organisation": "This is the organisation itself.",
    "known_by_another_name": "Somebody has this address here already, by another name.",
    "missing": "This is required.",
    "no_etag_of_ours": 'This is none of the ETags that are given here, such as "2" with its quotes; or *, for any.',
    "no_good_row": "Not one row can be used, so nothing was changed.",
    "no_words": "There is no word in this.",
    "not_a_member": "This person is not a member of the group.",
    "not_a_template": "Something other than text and {{{{ name }}}} stands in this, such as {{#var#}} or {{% %}}.",
    "not_accepted": "This does not fit the key and what it should prove.",
    "not_an_official": "This is not an official of the organisation.",
    "not_found": "There is none of this id.",
    "not_jpeg_png_or_webp": "The picture is not a JPEG, PNG or WebP.",
    "not_resolved": "The host name has no address.",
    "not_with_everywhere": "One organisation, or what waits in all of them: not both.",
    "of_no_organisation": "The group is of an app without an organisation: nobody can be its admin.",
    "official_groups_only": "Only official groups can be open.",
    "on_its_own": "The unit of a live app is changed in a call of its own.",
    "other_kind": "The template is of the other kind.",
    "phone_not_served": "No SMS is sent to numbers of this country or kind.",
    "port": "Webhooks do not go to this port.",
    "private_address": "The address is not a public one.",
    "receive_only": "Members of a group for citizens only receive: posting must be admins.",
    "root_only": "This role is given for the organisation as a whole only.",
    "scheme": "The address must begin with https.",
    "set_by_the_organisation": "The organisation says this of an official; it cannot be changed here.",
    "unit_of_the_other": "The other nodal officer works there, and what takes two people takes two units.",
    "unknown": "There is no such variable.",
    "until_taken_away": "This role has no end.",
    "too_large": "The file is larger than allowed.",
    "url": "This is not an address that can be read.",
    "variables_differ": "The texts name different variables.",
    "within_five_years": "This must be later than now, and within five years.",
    "within_two_years": "This must be later than now, and within two years.",
}
"""The codes that use cases give, with N for a number, and what they mean."""

_NUMBER = re.compile(r"(?<=_)[0-9]+(?=_)")

SHAPES = {
    "bool_parsing": "This must be true or false.",
    "bool_type": "This must be true or false.",
    "date_from_datetime_parsing": "This must be a date such as 2026-01-31.",
    "datetime_from_date_parsing": "This must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
    "datetime_parsing": "This must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
    "datetime_type": "This must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
    "dict_type": "This must be an object.",
    "enum": "This must be one of {expected}.",
    "extra_forbidden": "There is no such field here.",
    "greater_than_equal": "This must be {ge} or more.",
    "int_from_float": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_parsing_size": "This number is too large.",
    "int_type": "This must be a whole number.",
    "less_than_equal": "This must be {le} or less.",
    "list_type": "This must be a list.",
    "literal_error": "This must be one of {expected}.",
    "missing": "This is required.",
    "model_attributes_type": "This must be an object.",
    "model_type": "This must be an object.",
    "none_required": "Nothing may stand here.",
    "string_pattern_mismatch": "This does not have the form that the specification says.",
    "string_too_long": "This may have {max_length} characters at most.",
    "string_too_short": "This must have {min_length} characters or more.",
    "string_type": "This must be a string.",
    "string_unicode": "This holds characters that no text can have.",
    "timezone_aware": "The time must say its offset from UTC, such as a Z at its end.",
    "too_long": "This may have {max_length} {parts} at most.",
    "too_short": "This must have {min_length} {parts} or more.",
    "tuple_type": "This must be a list.",
    "union_tag_invalid": "This must be one of {expected_tags}.",
    "union_tag_not_found": "What this is does not say which kind it is of.",
    "value_error": "What else is wrong; the message says it.",
}
"""The codes of what does not fit the description of a request or frame. Of `value_error` the message is its own."""


def meaning(reason: str) -> str | None:
    """The sentence of a code that a use case gives; None for one that is none of them."""
    text = REASONS.get(_NUMBER.sub("N", reason))
    return text.format(*_NUMBER.findall(reason)) if text else None


def fault(pointer: str, reason: str, message: str | None = None) -> dict[str, str]:
    """One entry of `errors`."""
    said = message or meaning(reason)
    return {"pointer": pointer, "code": reason} | ({"message": said} if said else {})


def faults_of(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The first ten of what a validation found. `loc` begins with where the value came from, which is left out."""
    return [fault(json_pointer(found["loc"][1:]), found["type"], _sentence(found)) for found in errors[:MAX_FAULTS]]


def _sentence(found: Mapping[str, Any]) -> str:
    kind, context = found["type"], found.get("ctx") or {}
    if kind == "value_error":
        said = str(context.get("error") or found.get("msg", "").removeprefix("Value error, ")) or "this cannot be used"
        return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
    if context.get("min_length") == 1 and kind in {"string_too_short", "too_short"}:
        return "This must not be empty."
    parts = "characters" if context.get("field_type") == "Value" else "entries"  # a string after its own check
    try:
        return SHAPES[kind].format(**{"parts": parts} | context)
    except KeyError:
        return "This is not what the specification says."


def json_pointer(location: tuple[int | str, ...]) -> str:
    """RFC 6901, cut after 200 characters: a field's name may be the caller's own and of any length.

    What validation calls `[key]` is the name of a field, which the step before names already.
    """
    steps = [str(step) for step in location if step != "[key]"]
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return pointer[:200]
