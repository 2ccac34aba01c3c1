"""The loops between plugins and Kafka, and the processes that run them."""
