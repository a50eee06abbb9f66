"""The queues, which the deployment makes: each has the poison queue that the platform makes of its name."""

JOB_QUEUE = "mirror-jobs"
DEAD_QUEUE = "mirror-jobs-poison"
"""Where the platform puts what crashed its worker too often; it fixes the suffix."""
BACKFILL_QUEUE = "mirror-backfill"
DEAD_BACKFILL_QUEUE = "mirror-backfill-poison"
"""Sweeps and the jobs that they ask for have a queue of their own, so that no push waits behind them (rule W7)."""
