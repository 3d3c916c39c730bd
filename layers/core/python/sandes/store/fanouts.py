"""The progress of posts to groups in the deliveries table: the time of acceptance, and the finished chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.fanout import CHUNK_BYTES, ChunkDone, FanoutRecord
from sandes.model.ids import base64url_text, parse_base64url
from sandes.store.dynamo import Client, ConditionFailed, Item
from sandes.store.queries import Query, query_rows
from sandes.store.schema import FanoutRow as Row
from sandes.store.transaction import Put, Update, write_one

_POST_SORT = "0"
_CHUNK_PREFIX = "C#"


def post_key(post: str) -> dict[str, Any]:
    return {Row.PARTITION: {"S": f"F#{post}"}, Row.SORT: {"S": _POST_SORT}}


def _chunk_key(post: str, chunk: bytes) -> dict[str, Any]:
    return post_key(post) | {Row.SORT: {"S": _CHUNK_PREFIX + base64url_text(chunk)}}


@dataclass(frozen=True, slots=True)
class FanoutStore:
    client: Client
    table: str

    def begin(self, post: str, record: FanoutRecord, *, keep_until: int) -> FanoutRecord:
        """Record a post and return its record. For a repetition, that is the first one. `keep_until` is epoch
        seconds.
        """
        item = post_key(post) | {
            Row.AT_MS: {"N": str(record.at_ms)},
            Row.DEADLINE: {"N": str(record.expires_at)},
            Row.DEVICE: {"N": str(record.device)},
            Row.MEMBERS: {"N": str(record.members)},
            Row.GROUP_VERSION: {"N": str(record.version)},
            Row.EXPIRES_AT: {"N": str(keep_until)},
        }
        try:
            write_one(self.client, Put(self.table, item, condition=f"attribute_not_exists({Row.PARTITION})", old=True))
        except ConditionFailed as failed:
            if (row := failed.row()) is None:
                raise
            return read_record(row)
        return record

    def delivered(self, post: str, done: ChunkDone) -> None:
        """Record that the post was delivered to all members immediately."""
        self._note(post, {Row.DEVICES: {"N": str(done.devices)}, Row.LIVE: {"N": str(done.live)}})

    def queued(self, post: str) -> None:
        """Record that an entry of the queue will divide the post into chunks."""
        self._note(post, {Row.QUEUED: {"BOOL": True}})

    def planned(self, post: str, chunks: Sequence[bytes]) -> None:
        """Record that all these chunks are queued. They replace those of an earlier division."""
        self._note(post, {Row.CHUNKS: {"B": b"".join(chunks)}})

    def _note(self, post: str, values: dict[str, Any]) -> None:
        write_one(
            self.client,
            Update(
                self.table,
                post_key(post),
                "SET " + ", ".join(f"{name} = :{name}" for name in values),
                condition=f"attribute_exists({Row.PARTITION})",
                values={f":{name}": value for name, value in values.items()},
            ),
        )

    def is_planned(self, post: str) -> bool:
        """Tell whether all chunks of the post are queued, by a consistent read."""
        answer = self.client.get_item(
            TableName=self.table, Key=post_key(post), ConsistentRead=True, ProjectionExpression=Row.CHUNKS
        )
        return Row.CHUNKS in answer.get("Item", {})

    def is_done(self, post: str, chunk: bytes) -> bool:
        """Tell whether the chunk is finished, by a consistent read."""
        answer = self.client.get_item(
            TableName=self.table,
            Key=_chunk_key(post, chunk),
            ConsistentRead=True,
            ProjectionExpression=Row.SORT,
        )
        return "Item" in answer

    def finish(self, post: str, chunk: bytes, done: ChunkDone, *, keep_until: int) -> None:
        """Mark a chunk as finished. `keep_until` is epoch seconds."""
        self.client.put_item(
            TableName=self.table,
            Item=_chunk_key(post, chunk)
            | {
                Row.DEVICES: {"N": str(done.devices)},
                Row.LIVE: {"N": str(done.live)},
                Row.EXPIRES_AT: {"N": str(keep_until)},
            },
        )

    def read(self, post: str, *, now_seconds: int) -> tuple[FanoutRecord, Mapping[bytes, ChunkDone]] | None:
        """Return a post with its finished chunks, or None if it does not exist or has expired."""
        record: FanoutRecord | None = None
        done: dict[bytes, ChunkDone] = {}
        values = {":post": post_key(post)[Row.PARTITION], ":now": {"N": str(now_seconds)}}
        query = Query(self.table, f"{Row.PARTITION} = :post", values, filter=f"{Row.EXPIRES_AT} > :now")
        for item in query_rows(self.client, query):
            sort = item[Row.SORT]["S"]
            if sort == _POST_SORT:
                record = read_record(item)
            else:
                chunk = parse_base64url(sort.removeprefix(_CHUNK_PREFIX))
                done[chunk] = ChunkDone(int(item[Row.DEVICES]["N"]), int(item[Row.LIVE]["N"]))
        return (record, done) if record else None


def read_record(item: Item) -> FanoutRecord:
    chunks = delivered = None
    if Row.CHUNKS in item:
        joined = item[Row.CHUNKS]["B"]
        chunks = tuple(joined[start : start + CHUNK_BYTES] for start in range(0, len(joined), CHUNK_BYTES))
    if Row.DEVICES in item:
        delivered = (int(item[Row.DEVICES]["N"]), int(item[Row.LIVE]["N"]))
    return FanoutRecord(
        at_ms=int(item[Row.AT_MS]["N"]),
        expires_at=int(item[Row.DEADLINE]["N"]),
        device=int(item[Row.DEVICE]["N"]),
        members=int(item[Row.MEMBERS]["N"]),
        version=int(item[Row.GROUP_VERSION]["N"]),
        chunks=chunks,
        delivered=delivered,
        queued=Row.QUEUED in item,
    )
