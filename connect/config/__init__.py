"""The operator's file: strict YAML, typed models, secrets."""
