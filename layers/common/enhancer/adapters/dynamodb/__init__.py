"""Everything that is stored in the one DynamoDB table, a file per kind of item.

``accounts``       users, their sessions and sign-in identities
``allowances``     what an identity had used when its account was deleted
``api_keys``       API keys and what is charged through them
``books``          days summed up, for the cost report
``flags``          the operator's flags
``jobs``           jobs with their items
``keys``           every key of the table; opens with the data model
``ledger``         holds, settles and releases; the only writer of credits
``ledger_writes``  the writes that transactions of the ledger have in common
``lots``           credits that arrive, are taken back or expire
``owner_data``     all records of one owner, for export and account deletion
``rates``          rate limits, exact across all instances
``result_index``   who makes a result, and who has a copy
``spend``          what providers cost us, by day
``stripe_links``   our accounts and Stripe: customer ids, open checkouts, subscriptions
``table``          reads, conditional writes, transactions, optimistic retries
"""
