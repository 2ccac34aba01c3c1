"""The MySQL source, for MariaDB too: row-based binlogs, and snapshots that are guests in the stream."""
