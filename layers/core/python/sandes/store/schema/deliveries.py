"""The deliveries table."""

from __future__ import annotations

from sandes.store.schema.table import Index, Key, Table


class DeliveryRow:
    """Messages of apps with their status, answers, events, deliveries, send logs and quotas.

    Partition and sort key tell the kind of a row (store/deliveries.py).

    Events, deliveries to webhooks, send logs and quotas of test keys have partitions of their own, with a T after the
    kind: `ET#app`.
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds: time to live, later than the message's own expiry
    # message, partition `M#app#shard`, sort message id
    STATUS = "z"  # N rank of the status
    ACCOUNT = "a"  # B 8
    TARGETS = "o"  # B the envelopes that hold it
    DUE = "u"  # S hour of its deadline and shard, until its status is final; only these rows have the index's key
    DEADLINE = "e"  # N epoch seconds: the envelopes' expiry
    CATEGORY = "y"  # S
    TEMPLATE = "t"  # S name@version
    LANGUAGE = "l"  # S
    CLIENT_REF = "c"  # S
    BATCH = "b"  # S
    GROUP = "g"  # B 8 instead of ACCOUNT and DUE, for a message to a group
    TO = "m"  # B 8 each, the recipients among the members; absent if all members get it
    FAILURE = "f"  # S error code
    TEST = "q"  # BOOL
    TIMES = "h"  # M epoch milliseconds by rank
    # idempotency, partition `I#app`, sort keyed hash of path and key
    FINGERPRINT = "r"  # B 16
    ANSWER = "w"  # B the answer, as JSON
    # event, partition `E#app`, sort event id
    EVENT = "v"  # B the event, as JSON
    # delivery to a webhook, partition `W#app#webhook`, sort event id
    TYPE = "y"  # S of the event
    STATE = "z"  # S pending, delivered or failed
    RUN = "k"  # N
    ATTEMPTS = "n"  # N
    LAST_STATUS = "l"  # N
    LAST_ERROR = "f"  # S
    NEXT_ATTEMPT_AT = "d"  # N epoch seconds
    UPDATED_AT = "t"  # N epoch seconds
    # send log, partition `L#subject`, sort "0"
    SENDS = "g"  # B 12 bytes each: app, epoch seconds
    # quota, partition `Q#app`, sort `minute#n` or `day#n`
    COUNT = "n"  # N

    # progress of the sweep of deadlines, partition `D#swept`, sort "0" COUNT: the hour before which nothing is left
    # batches: see BatchRow


class BatchRow:
    """Batches in the deliveries table (`B#app` · id), faults of their rows (`R#id#check` · row) and finished chunks
    (`K#id` · number).

    No attribute has the name of one in the index.
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    STATE = "z"  # S
    TEST = "q"  # BOOL
    SOURCE = "o"  # S csv, ndjson or inline
    CONTENT = "b"  # B sealed by the server: template or text
    FINGERPRINT = "r"  # B 16
    CLIENT_REF = "c"  # S; of a fault: the row's
    CREATED_AT_MS = "t"  # N epoch milliseconds
    COMMITS = "m"  # M of B 16 by idempotency key
    DRY_RUN = "d"  # BOOL
    ETAG = "et"  # S of the committed file
    CHECK = "k"  # S names the check that read the rows
    INDEX = "i"  # B position of the index in the rows' object
    ROWS = "n"  # N
    VALID = "v"  # N
    INVALID = "iv"  # N
    DONE = "g"  # N
    SENT = "h"  # N
    FAILED = "l"  # N
    FAILURE = "f"  # S error code
    REASON = "w"  # B a fault of the file
    SENDING_SINCE_MS = "j"  # N epoch milliseconds
    FINISHED_AT_MS = "y"  # N epoch milliseconds
    FAULTS = "a"  # B


class FanoutRow:
    """A post to a group (sort "0") and each of its finished chunks (sort `C#chunk`), in the deliveries table.

    The partition is `F#post`, where `post` is a keyed hash (crypto/fanout_keys.py).
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    DEVICES = "v"  # N devices for which it is stored
    LIVE = "l"  # N live sockets that accepted it
    # post
    AT_MS = "t"  # N epoch milliseconds
    DEADLINE = "d"  # N epoch seconds: the envelopes' expiry
    MEMBERS = "n"  # N
    DEVICE = "g"  # N
    CHUNKS = "c"  # B 12 bytes each, once all are queued
    GROUP_VERSION = "r"  # N the group's when the post was accepted
    QUEUED = "q"  # BOOL the queue has an entry that will divide it into chunks


DUE = Index("due", Key(DeliveryRow.DUE, "S"), Key(DeliveryRow.DEADLINE, "N"))


DELIVERIES = Table(
    "deliveries",
    Key(DeliveryRow.PARTITION, "S"),
    Key(DeliveryRow.SORT, "S"),
    ttl=DeliveryRow.EXPIRES_AT,
    backup=False,
    indexes=(DUE,),
    stream="NEW_IMAGE",
)
