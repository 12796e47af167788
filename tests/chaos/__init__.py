"""Random faults in a whole service under load, with a ledger of its calls."""
