"""Builds the DynamoDB tables from the schema that the stores use."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.config import Config
from sandes.store.schema import TABLES, Key, Table

_TYPES = {"B": dynamodb.AttributeType.BINARY, "N": dynamodb.AttributeType.NUMBER, "S": dynamodb.AttributeType.STRING}
_STREAMS = {
    "KEYS_ONLY": dynamodb.StreamViewType.KEYS_ONLY,
    "NEW_IMAGE": dynamodb.StreamViewType.NEW_IMAGE,
}


class Tables(Construct):
    """Holds one table per lifecycle, on demand, encrypted. `self[schema.INBOX]` gives the table."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self._tables = {table.name: self._table(table, config) for table in TABLES}

    def __getitem__(self, table: Table) -> dynamodb.TableV2:
        return self._tables[table.name]

    def _table(self, table: Table, config: Config) -> dynamodb.TableV2:
        return dynamodb.TableV2(
            self,
            table.name.capitalize(),
            partition_key=_attribute(table.partition),
            sort_key=_attribute(table.sort) if table.sort else None,
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.aws_managed_key(),
            time_to_live_attribute=table.ttl,
            dynamo_stream=_STREAMS[table.stream] if table.stream else None,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=table.backup
            ),
            global_secondary_indexes=[
                dynamodb.GlobalSecondaryIndexPropsV2(
                    index_name=index.name,
                    partition_key=_attribute(index.partition),
                    sort_key=_attribute(index.sort),
                )
                for index in table.indexes
            ]
            or None,
            deletion_protection=table.backup and config.deletion_protection,
            removal_policy=config.removal_policy,
        )


def _attribute(key: Key) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=key.name, type=_TYPES[key.type])
