"""The replication protocol: packets, events, commands, and the thread that owns the socket."""
