"""The product: use cases here, rules in `domain`, outside systems in `adapters`, HTTP in `api`."""
