"""The only code that knows the Kafka library."""
