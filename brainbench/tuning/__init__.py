"""Tuning a backbone on labelled images (section 4.4): one network, one task, one seed -> weights and a record in the cache."""
