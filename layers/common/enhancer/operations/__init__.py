"""What runs on a schedule, and what an operator looks at.

``health``       a look at every part at once, each with its own time-out
``quota_reset``  daily: expire credits, reconcile with Stripe, audit every ledger
``sweep``        every minute: repair jobs and executions that a crash or a lost call-back left behind
"""
