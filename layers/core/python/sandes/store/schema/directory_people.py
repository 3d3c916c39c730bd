"""Rows of the directory about people: verifications of officials, profiles, invitations, requests, nominations."""

from __future__ import annotations


class SuspensionRow:
    """A suspension, in the SUSPENDED of an account."""

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    AT = "c"  # N epoch seconds
    REASON = "r"  # S


class VerificationRow:
    """The verification of an official by an organisation, in the directory: partition `A#account`, sort `V`.

    The tasks at its end have a row of their own (EndingRow), since another organisation may verify the account before
    they are done.
    """

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    LISTED = "y"  # BOOL
    ISSUED_AT = "c"  # N epoch seconds
    FIRST_ISSUED_AT = "i"  # N epoch seconds: beginning of the verification without a gap; absent if it is ISSUED_AT
    ASKED = "q"  # BOOL the person requested it; absent otherwise
    EXPIRES_AT = "x"  # N epoch seconds
    STATEMENT = "b"  # B
    SIGNATURE = "f"  # B 64
    SALTS = "h"  # B 48: of name, post, unit
    UNIT_NAME = "n"  # S at the time of the attestation
    VERSION = "t"  # N rises with every change
    ENDED = "z"  # S revoked, replaced or expired
    ENDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S of a revocation
    WORDS = "k"  # L of S: sort keys of its rows in the search index
    ORIGIN = "j"  # S the row of an import that made or ended it: id, row, outcome
    HIDDEN = "v"  # M of S by field: the widest audience for this person; absent without such a setting
    HIDDEN_BY_OTHERS = "a"  # M by organisation: the HIDDEN of organisations that verified the account before


class OfficialRow:
    """A verified official for lists, in the directory: partition `O#organisation`, sort `V#unit#account`.

    The row is written and removed in the transactions that make and end the verification.
    """

    NAME = "w"  # S
    POST = "o"  # S
    LISTED = "y"  # BOOL
    EXPIRES_AT = "x"  # N epoch seconds


class AttestationKeysRow:
    """The keys of attestations, in the directory: partition `K#attestation`, sort "0".

    Functions that sign write the row, and others read it.
    """

    INTRODUCTIONS = "b"  # S JSON, a list as in GET /v1/attestation-key
    OLDEST = "o"  # N


class ProfileRow:
    """The data that a person has entered, and their audiences, in the directory: partition `A#account`, sort `F`.

    Each choice is an attribute of its own, named CHOICE and the field, so that one can be changed without the others.
    """

    NAME = "w"  # S
    EMAIL = "m"  # S
    PHOTO = "b"  # B
    PHOTO_TYPE = "t"  # S
    CHOICE = "v-"  # S


class InvitationRow:
    """An invitation of a citizen to write to an unlisted official, in the directory: partition `A#official`, sort
    `I#citizen`.

    An invitation by a message has DirectoryRow.VANISHES_AT; an explicit one has no end.
    """

    CREATED_AT = "c"  # N epoch seconds


class VerificationRequestRow:
    """The last request of a person to an organisation, in the directory: partition `A#account`, sort `Q#organisation`.

    A copy for lists is in the organisation's partition: sort `Q#o#unit#time#account` while the request is open, `Q#d#…`
    after the decision. Both expire, the open one when it lapses.
    """

    ID = "i"  # B 24
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    SOURCE = "j"  # S device or import
    DEVICE = "d"  # N of the device that sent it, or that registered a number named by an import
    REGISTRATION = "n"  # N of that device
    REQUESTED_AT = "c"  # N epoch seconds
    DECISION = "z"  # S open, verified or rejected
    DECIDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S


class NominationRow:
    """A nomination in the directory: partition `P index`, sort `N`. An organisation verifies the future holder of a
    number in advance.

    The number has no account yet. A withdrawn nomination stays for a while without its texts.
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
    PHONE_SEALED = "h"  # B the number, from which a new pseudonym can be made


class WordRow:
    """The search index of officials, in the directory: partition `S#organisation`, sort `word#field#account`."""

    ACCOUNT = "a"  # B 8
