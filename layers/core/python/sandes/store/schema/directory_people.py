"""Rows of the directory about people: what is attested of officials, profiles, invitations, requests, nominations."""

from __future__ import annotations


class SuspensionRow:
    """Within the SUSPENDED of an account."""

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    AT = "c"  # N epoch seconds
    REASON = "r"  # S


class VerificationRow:
    """In the directory, partition `A#account`, sort `V`: what an organisation attests of an official.

    What is to be done at its end stands in a row of its own (EndingRow), since another organisation may vouch for the
    account before it is done.
    """

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    LISTED = "y"  # BOOL
    ISSUED_AT = "c"  # N epoch seconds
    FIRST_ISSUED_AT = "i"  # N epoch seconds: since when without a gap; absent where that is ISSUED_AT
    ASKED = "q"  # BOOL the person asked for it; absent where they did not
    EXPIRES_AT = "x"  # N epoch seconds
    STATEMENT = "b"  # B
    SIGNATURE = "f"  # B 64
    SALTS = "h"  # B 48: of name, post, unit
    UNIT_NAME = "n"  # S as it was attested
    VERSION = "t"  # N rises with every change
    ENDED = "z"  # S revoked, replaced or expired
    ENDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S of a revocation
    WORDS = "k"  # L of S: sort keys of its rows in the search index
    ORIGIN = "j"  # S the row of an import that made or ended it: id, row, outcome
    HIDDEN = "v"  # M of S by field: to whom the organisation shows it at most; absent where it is as for everybody
    HIDDEN_BY_OTHERS = "a"  # M by organisation: the HIDDEN of organisations that verified the account before


class OfficialRow:
    """In the directory, partition `O#organisation`, sort `V#unit#account`: who is verified there, for lists.

    Made and ended with the verification, in the same transactions.
    """

    NAME = "w"  # S
    POST = "o"  # S
    LISTED = "y"  # BOOL
    EXPIRES_AT = "x"  # N epoch seconds


class AttestationKeysRow:
    """In the directory, partition `K#attestation`, sort "0". Functions that sign write it, others read it."""

    INTRODUCTIONS = "b"  # S JSON, a list as in GET /v1/attestation-key
    OLDEST = "o"  # N


class ProfileRow:
    """In the directory, partition `A#account`, sort `F`: what a person says of themselves, and to whom.

    Each choice is an attribute of its own, CHOICE and the field's name, so that one is changed without the others.
    """

    NAME = "w"  # S
    EMAIL = "m"  # S
    PHOTO = "b"  # B
    PHOTO_TYPE = "t"  # S
    CHOICE = "v-"  # S


class InvitationRow:
    """In the directory, partition `A#official`, sort `I#citizen`: who may write to an official although not listed.

    One that a message has made has DirectoryRow.VANISHES_AT; one that was made on purpose has no end.
    """

    CREATED_AT = "c"  # N epoch seconds


class VerificationRequestRow:
    """In the directory, partition `A#account`, sort `Q#organisation`: the last request of a person to an organisation.

    It stands a second time in the organisation's partition, for lists: sort `Q#o#unit#time#account` while it is open,
    `Q#d#…` once it is decided. Both vanish, the open one when it lapses.
    """

    ID = "i"  # B 24
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    SOURCE = "j"  # S device or import
    DEVICE = "d"  # N that asked, or registered when an import had named the number
    REGISTRATION = "n"  # N of that device
    REQUESTED_AT = "c"  # N epoch seconds
    DECISION = "z"  # S open, verified or rejected
    DECIDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S


class NominationRow:
    """In the directory, partition `P#index` of a number that has no account yet, sort `N`: an organisation's word for
    whoever registers it. One that was taken back stays a while without its texts.
    """

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    LISTED = "y"  # BOOL
    EXPIRES_AT = "x"  # N epoch seconds, of the verification
    ORIGIN = "j"  # S as in VerificationRow
    BY = "i"  # B 16
    ROLE = "r"  # S
    WITHDRAWN = "z"  # BOOL
    MADE_AT = "c"  # N epoch seconds
    PHONE_SEALED = "h"  # B the number, so that its pseudonym can be made anew


class WordRow:
    """In the directory, partition `S#organisation`, sort `word#field#account`: the search index of officials."""

    ACCOUNT = "a"  # B 8
