"""The only place that speaks DynamoDB: one class per table, one method per access pattern."""
