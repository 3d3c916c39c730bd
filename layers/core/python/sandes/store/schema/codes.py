"""The codes table."""

from __future__ import annotations

from enum import StrEnum

from sandes.store.schema.table import Key, Table


class CodeKind(StrEnum):
    """Lists the kinds of rows in the codes table. Each key begins with its kind, so that an id never finds another
    kind.
    """

    REGISTRATION = "R"  # codes of registrations and changes of number
    LINK = "L"
    OTP = "O"


class CodeRow:
    """Challenges: codes sent by SMS and link secrets, only as keyed hashes."""

    ID = "i"  # S kind and id, see store/codes.py
    PURPOSE = "u"  # S
    SUBJECT = "s"  # S
    PHONE_SEALED = "f"  # B
    HASH = "h"  # B 32
    ATTEMPTS_LEFT = "n"  # N
    SENDS = "g"  # N
    CODE_EXPIRES_AT = "e"  # N epoch seconds
    RESEND_AFTER = "y"  # N epoch seconds
    STATE = "z"  # S pending or used
    USED_BY = "w"  # B identity key of the device that used the code
    OUTCOME = "o"  # S device address and registration id of the result
    EXPIRES_AT = "x"  # N epoch seconds


class OtpRow:
    """One-time passwords of apps, in the codes table. No row has a number, variable or code in clear."""

    ID = CodeRow.ID  # S kind and id
    APP = "a"  # B 8
    TEST = "q"  # BOOL
    SUBJECT = "s"  # S the recipient: account, or pseudonym of a number
    ACCOUNT = "d"  # B 8
    PRIVATE = "f"  # B sealed by the server: number and variables
    FINGERPRINT = "r"  # B 16
    PURPOSE = "u"  # S
    TEMPLATE = "t"  # S
    TEMPLATE_VERSION = "v"  # N
    LANGUAGE = "l"  # S
    DIGITS = "j"  # N
    TTL_SECONDS = "k"  # N
    SMS = "m"  # BOOL
    CLIENT_REF = "p"  # S
    HASH = "h"  # B 32
    ATTEMPTS_LEFT = "n"  # N
    SENDS = "g"  # N
    CREATED_AT = "b"  # N epoch seconds
    CODE_EXPIRES_AT = "e"  # N epoch seconds
    RESEND_AFTER = "y"  # N epoch seconds
    STATE = "z"  # S pending, used or cancelled
    TARGETS = "o"  # B the devices that have the code
    USED_BY = "w"  # S
    SMS_SEND = "0"  # N
    CHECKS = "c"  # M: attempts left, by idempotency key, body and send
    RESENDS = "1"  # M by idempotency key
    EXPIRES_AT = "x"  # N epoch seconds


CODES = Table("codes", Key(CodeRow.ID, "S"), None, ttl=CodeRow.EXPIRES_AT, backup=False, stream="NEW_IMAGE")
