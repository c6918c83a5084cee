"""What runs on a schedule, and what an operator changes while everything runs.

``flags``        change and roll back phases, switches and caps
``quota_reset``  daily: expire credits, reconcile with Stripe, audit every ledger
``sweep``        every minute: repair jobs and executions that a crash or a lost call-back left behind
"""
