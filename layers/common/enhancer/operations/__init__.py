"""What runs on a schedule, and what an operator changes while everything runs.

``cost_report``  daily and monthly: what came in, what it cost, what is left
``flags``        change and roll back phases, switches and caps
``health``       a look at every part at once, each with its own time-out
``quota_reset``  daily: expire credits, reconcile with Stripe, audit every ledger, close the days that are over
``sweep``        every minute: repair jobs and executions that a crash or a lost call-back left behind
"""
