"""The logical schema and its wire formats."""
