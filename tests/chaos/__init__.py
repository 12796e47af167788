"""A randomised run of faults against a whole service under load, and its ledger."""
