"""Files -> points; owns the index and the ledger."""
