"""Entry points of queues, streams and schedules, by subject, and the handling of their records and chains."""
