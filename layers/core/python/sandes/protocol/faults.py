"""The codes and sentences for invalid fields in `errors` (docs/protocol/README.md, "Faults")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_FAULTS = 10

REASONS = {
    "at_most_N_bytes": "This has more than {0} bytes.",
    "at_most_N_characters": "This has more than {0} characters.",
    "after_its_end": "This is after the end of the requested period.",
    "at_most_N_periods": "The period has more than {0} hours or days.",
    "at_most_N_rows": "There are more than {0} rows.",
    "at_most_N_seconds": "This is more than {0} seconds ahead.",
    "at_most_N_variables": "A template can have at most {0} variables.",
    "between_N_and_N_seconds_from_now": "This must be between {0} and {1} seconds from now.",
    "code_in_otps_only": "Texts of one-time passwords must contain {{{{ code }}}}; other texts must not.",
    "credentials": "The address must not contain a user name or password.",
    "device_named_twice": "There are two copies for one device.",
    "empty": "The template does not allow an empty value here.",
    "fragment": "The address must not have a fragment.",
    "host": "Webhooks cannot be sent to this host name.",
    "in_no_unit": "An app manages this group, so it belongs to no unit.",
    "informal_groups_only": "Only informal groups have an owner.",
    "invalid_phone": "This is not a phone number in international form.",
    "is_the_organisation": "This is the organisation itself.",
    "known_by_another_name": "Somebody with another name already uses this address here.",
    "missing": "This is required.",
    "no_etag_of_ours": 'Send an ETag of this resource, such as "2" with its quotes, or * for any version.',
    "no_good_row": "No row is usable, so nothing was changed.",
    "no_words": "This contains no words.",
    "not_a_member": "This person is not a member of the group.",
    "not_a_template": "A template contains only text and {{{{ name }}}}; it cannot contain {{#var#}} or {{% %}}.",
    "not_accepted": "The proof does not match the key.",
    "not_an_official": "This is not an official of the organisation.",
    "not_found": "Nothing has this id.",
    "not_jpeg_png_or_webp": "The picture is not a JPEG, PNG or WebP.",
    "not_resolved": "The host name has no address.",
    "not_with_everywhere": "Name one organisation or ask for all of them, not both.",
    "of_no_organisation": "The group's app has no organisation, so nobody can be an admin of the group.",
    "official_groups_only": "Only official groups can be open.",
    "on_its_own": "Change the unit of a live app in a separate call.",
    "other_domain": "The organisation accepts only addresses at its own domains.",
    "other_kind": "The template is for the other kind of message.",
    "phone_not_served": "The service sends no SMS to numbers of this country or kind.",
    "port": "Webhooks cannot be sent to this port.",
    "private_address": "The address is not public.",
    "receive_only": "Members of a group for citizens can only receive: posting must be admins.",
    "root_only": "This role can be granted only for the whole organisation.",
    "scheme": "The address must begin with https.",
    "set_by_the_organisation": "The organisation sets this for its officials; it cannot be changed here.",
    "unit_of_the_other": "The other nodal officer works in this unit, and the two must work in different units.",
    "unknown": "The template has no such variable.",
    "until_taken_away": "This role cannot have an end.",
    "too_large": "The file is larger than allowed.",
    "url": "This is not a valid address.",
    "variables_differ": "The texts have different variables.",
    "within_five_years": "This must be in the future, and within five years.",
    "within_two_years": "This must be in the future, and within two years.",
}
"""The meanings of the codes that use cases give. N stands for a number."""

_NUMBER = re.compile(r"(?<=_)[0-9]+(?=_)")

OTHER_FORM = "string_pattern_mismatch"
SHAPES = {
    "bool_parsing": "This must be true or false.",
    "bool_type": "This must be true or false.",
    "date_from_datetime_parsing": "This must be a date such as 2026-01-31.",
    "datetime_from_date_parsing": "This must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
    "datetime_parsing": "This must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
    "datetime_type": "This must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
    "dict_type": "This must be an object.",
    "enum": "This must be one of {expected}.",
    "extra_forbidden": "This field does not exist.",
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
    "none_required": "This must be null or left out.",
    OTHER_FORM: "This does not have the form that the specification requires.",
    "string_too_long": "This must have at most {max_length} characters.",
    "string_too_short": "This must have at least {min_length} characters.",
    "string_type": "This must be a string.",
    "string_unicode": "This contains characters that are not valid Unicode.",
    "timezone_aware": "The time must have an offset from UTC, such as Z at the end.",
    "too_long": "This must have at most {max_length} {parts}.",
    "too_short": "This must have at least {min_length} {parts}.",
    "tuple_type": "This must be a list.",
    "union_tag_invalid": "This must be one of {expected_tags}.",
    "union_tag_not_found": "The field that names the kind is missing.",
    "value_error": "The message gives the reason.",
}
"""The meanings of the codes for values that do not match the schema. A `value_error` has a message of its own."""


def meaning(reason: str) -> str | None:
    """Return the text of a code that a use case gives, or None for an unknown code."""
    text = REASONS.get(_NUMBER.sub("N", reason))
    return text.format(*_NUMBER.findall(reason)) if text else None


def fault(pointer: str, reason: str, message: str | None = None) -> dict[str, str]:
    """Build one entry of `errors`."""
    said = message or meaning(reason)
    return {"pointer": pointer, "code": reason} | ({"message": said} if said else {})


def faults_of(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Convert the first ten errors of a validation. Drops the first part of `loc`, which names the source of
    the value.
    """
    return [fault(json_pointer(_named(found["loc"])), found["type"], _sentence(found)) for found in errors[:MAX_FAULTS]]


def _named(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the steps to a value. A header gets the specification's spelling, because validation uses lower case."""
    steps = list(location[1:])
    if steps and location[0] == "header":
        steps[0] = header_name(str(steps[0]))
    return tuple(steps)


def header_name(name: str) -> str:
    """Spell the name of a header as the documentation does: `Sandes-Act`, `If-Match`."""
    return "-".join(word.capitalize() for word in name.split("-"))


def _sentence(found: Mapping[str, Any]) -> str:
    kind, context = found["type"], found.get("ctx") or {}
    if kind == "value_error":
        said = str(context.get("error") or found.get("msg", "").removeprefix("Value error, ")) or "this cannot be used"
        return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
    if context.get("min_length") == 1 and kind in {"string_too_short", "too_short"}:
        return "This must not be empty."
    parts = "characters" if context.get("field_type") == "Value" else "entries"  # a string that passed its check
    try:
        return SHAPES[kind].format(**{"parts": parts} | context)
    except KeyError:
        return "This does not match the specification."


def json_pointer(location: tuple[int | str, ...]) -> str:
    """Render a JSON pointer (RFC 6901), cut after 200 characters because a caller may choose a field name of any
    length.

    Drops the step `[key]`. By this step, validation means the field name that the previous step already gives.
    """
    steps = [str(step) for step in location if step != "[key]"]
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return pointer[:200]
