"""The demonstration: a legacy shop database becomes topics, tables and an index."""
