"""What queues, streams and schedules start: entry points by subject, and how records and chains are handled."""
