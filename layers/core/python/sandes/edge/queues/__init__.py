"""Entry points of queues, streams and schedules, by subject, and the processing of their records and chains."""
