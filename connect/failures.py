"""Every code that a task can stop or wait with, and what ``connect explain CODE`` says of it.

Codes of one plugin alone stand in its ``Plugin.failures``; a code that stands in both is explained by the plugin.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Explanation(NamedTuple):
    """What happened, whether anything is lost, and what to do: whole sentences for an operator at night."""

    what: str
    lost: str
    do: str


# What a stopped connector may say in good conscience, and why.
_SOURCE_WAITS: Final = (
    "Nothing is lost while the server keeps its log: the connector stopped at its stored position and has acknowledged "
    "nothing beyond it."
)
_SINK_WAITS: Final = "Nothing is lost: the sink's position did not move, and the topics hold the records."
_WAITS: Final = (
    "Nothing is lost: the connector stopped at its stored position, and both sides keep what comes after it."
)
_RETRIES: Final = "Nothing is lost: it tries again by itself, with growing pauses, from its stored position."
_NOT_STARTED: Final = "Nothing is lost: the connector stopped before it read or wrote anything."

FAILURES: Final[dict[str, Explanation]] = {
    # The worker and its processes
    "config": Explanation(
        "The configuration has faults; every one of them is listed with its file and line.",
        "Nothing is lost: nothing was started or changed.",
        "Mend what is listed and check it with: connect validate FILE.",
    ),
    "secret_unavailable": Explanation(
        "A file or an environment variable that a ${file:...} or ${env:...} names cannot be read any more.",
        _WAITS,
        "Restore it for the user who runs the worker, then start the worker again.",
    ),
    "retriable": Explanation(
        "Something outside the worker did not answer or asked to be left alone for a while.",
        _RETRIES,
        "Wait; if it lasts, the message in connect status names what to look at.",
    ),
    "fenced": Explanation(
        "Another process took over this connector: it runs under the same worker name and connector name.",
        "Nothing is lost or repeated: the other one goes on from the same position, and this one can write no more.",
        "Run one worker per file, or give the second another name; connect status lists the workers of this user.",
    ),
    "crashed": Explanation(
        "The connector's process ended without saying why; a signal from outside, or a fault in native code.",
        "Nothing is lost: it starts again by itself from its stored position.",
        "Nothing, if it was once; if it was killed by SIGKILL, look for the out-of-memory killer with: dmesg.",
    ),
    "crash_loop": Explanation(
        "The connector's process died again and again without committing anything in between.",
        _WAITS,
        "Look at the lines before in the worker's log, and at dmesg for the out-of-memory killer; run it with --debug, "
        "then start the worker again.",
    ),
    "stalled": Explanation(
        "The connector is behind and has not moved, or has said nothing, for a minute.",
        "Nothing is lost; but a source's server keeps its log meanwhile, which takes disk space there.",
        "Look at the message for what it waits for, at the health of source and target, and at CPU and memory here.",
    ),
    "internal_error": Explanation(
        "Connect or a plugin met what its authors did not expect, so it stopped rather than guess.",
        _WAITS,
        "Run the worker with --debug, and report the stack trace; starting again meets the same place again.",
    ),
    "disk_full": Explanation(
        "No space is left on the device that holds the worker's files.",
        _RETRIES,
        "Free space there, or point CONNECT_HOME at a larger disk and start the worker again.",
    ),
    "spool_full": Explanation(
        "One transaction of the source is larger than the space that the worker may use for it.",
        _SOURCE_WAITS,
        "Give the folder of the worker's files more space or raise the source's spool limit, then start again.",
    ),
    "record": Explanation(
        "One record cannot be written, and the sink has no dead-letter topic to put it into.",
        _SINK_WAITS,
        "Mend the record's cause, or write on_error: dead_letter in the sink, and start the worker again.",
    ),
    "failed": Explanation(
        "The connector stopped for the reason in its message.",
        _WAITS,
        "Follow the message, then start the worker again.",
    ),
    # Plugins and transforms
    "plugin_unknown": Explanation(
        "No installed package has a plugin of this name.",
        _NOT_STARTED,
        "Check the name against: connect plugins; install the package that has it.",
    ),
    "plugin_kind": Explanation(
        "The plugin is of another kind than the place where the file names it.",
        _NOT_STARTED,
        "Name sources under sources: and sinks under sinks:; connect plugins lists the kinds.",
    ),
    "plugin_broken": Explanation(
        "The plugin's package is installed but cannot be imported.",
        _NOT_STARTED,
        "Install what the message misses, or a version of the plugin that fits this version of Connect.",
    ),
    "transform_import": Explanation(
        "The Python function that a transform names cannot be imported.",
        _NOT_STARTED,
        'Write call: "module:function", and put the module beside the file or install its package.',
    ),
    "transform_error": Explanation(
        "A Python function of a transform raised an error on a row.",
        _WAITS,
        "Mend the function, so that it returns a row for every row, and start the worker again.",
    ),
    "transform_key": Explanation(
        "A transform would drop, rename away or mask a column of the topic's key.",
        _NOT_STARTED,
        "Leave key columns out of that transform; connect plan FILE shows each table's key.",
    ),
    "transform_name_taken": Explanation(
        "A rename gives a column a name that the row has already.",
        _WAITS,
        "Choose another name, or drop the other column first.",
    ),
    "filter_column": Explanation(
        "The column that a filter compares does not exist in the table.",
        _WAITS,
        "Correct the filter's column; the ALTER TABLE that removed it may be the cause.",
    ),
    "filter_undecided": Explanation(
        "The log does not carry the value that a filter compares, so nobody can say whether the row passes.",
        _SOURCE_WAITS,
        "ALTER TABLE schema.table REPLICA IDENTITY FULL; or filter by a column that is never stored out of line.",
    ),
    "mask_column_gone": Explanation(
        "A column that the file masks does not exist any more; a renamed one would have been published in clear.",
        _SOURCE_WAITS,
        "Name the column's new name under mask: or take it out there, and start the worker again.",
    ),
    "mask_key_missing": Explanation(
        "A column is masked by hash, and the file has no mask_key to do it with.",
        _NOT_STARTED,
        "Add to the file: mask_key: ${file:/run/secrets/mask_key}.",
    ),
    # The source and its log
    "source_unreachable": Explanation(
        "The source's server does not answer, or the connection broke.",
        _RETRIES,
        "Check that it runs and that this machine reaches it: connect doctor FILE.",
    ),
    "source_error": Explanation(
        "The source's server refused a statement in a way that no retry can mend.",
        _SOURCE_WAITS,
        "Read the server's log for the SQLSTATE in the message; run connect doctor FILE.",
    ),
    "password": Explanation(
        "The server refused the user name or the password.",
        _WAITS,
        "Correct the secret that the file names; it is read again when the worker starts.",
    ),
    "permission": Explanation(
        "A right is missing, or was withdrawn while the connector ran.",
        _WAITS,
        "Run the GRANT or ALTER ROLE in the message, or the ones that connect doctor FILE prints, then start again.",
    ),
    "tls": Explanation(
        "The encrypted connection could not be made: the certificate or its name does not fit, or TLS is not offered.",
        _WAITS,
        "Set sslmode and sslrootcert in the URL to the authority that signed the server's certificate.",
    ),
    "database_missing": Explanation(
        "The database that the URL names does not exist on this server.",
        _WAITS,
        "Correct the URL: psql -l lists the databases.",
    ),
    "wal_level": Explanation(
        "The server's wal_level is not logical, so its log does not carry rows.",
        _NOT_STARTED,
        "ALTER SYSTEM SET wal_level = logical; then restart the server.",
    ),
    "query_budget": Explanation(
        "A query of the snapshot took longer than snapshot.max_query allows.",
        "Nothing is lost: the part is read again in smaller pieces.",
        "Nothing, or raise snapshot.max_query; an index that fits the table's key makes such queries short.",
    ),
    "gap": Explanation(
        "The slot starts after the stored position: log in between is gone, as when a slot was dropped and made anew.",
        "Changes between the stored position and the slot are lost to this connector; nothing wrong was published.",
        "Find out who dropped the slot; then connect remove SOURCE and start the worker again: the tables are "
        "read anew.",
    ),
    "slot_lost": Explanation(
        "The server invalidated the replication slot, because it held back more log or was idle longer than allowed.",
        "Changes after the stored position may be gone from the server; nothing wrong was published.",
        "Raise max_slot_wal_keep_size (and idle_replication_slot_timeout), then connect remove SOURCE and start "
        "the worker again: the tables are read anew.",
    ),
    "slot_missing": Explanation(
        "There is a stored position, but the replication slot that belongs to it does not exist.",
        "Changes since the slot was dropped are lost to this connector; nothing wrong was published.",
        "Find out who dropped it (a failover without slot synchronisation does); then connect remove SOURCE and start "
        "the worker again: the tables are read anew.",
    ),
    "slot_busy": Explanation(
        "Another process reads the replication slot, and one slot has one reader.",
        _SOURCE_WAITS,
        "SELECT slot_name, active_pid FROM pg_replication_slots; stop that reader, or give one source another slot:.",
    ),
    "no_free_slot": Explanation(
        "The server has no replication slot or WAL sender left to give.",
        _NOT_STARTED,
        "Drop slots that nobody reads, or raise max_replication_slots and max_wal_senders and restart the server.",
    ),
    "slot_foreign": Explanation(
        "A slot of this name exists and was not made by this connector.",
        _NOT_STARTED,
        "Give the source another slot:, or drop the old one: SELECT pg_drop_replication_slot('NAME');.",
    ),
    "wrong_branch": Explanation(
        "The server's history branched off before the stored position: a failover or a restore went back in time.",
        "What was published after the branch does not exist on this server; nothing more was published.",
        "Point the URL at the server with the stored history; or, if this one is right, start under a new name, which "
        "takes a new snapshot.",
    ),
    "other_system": Explanation(
        "The URL leads to another database system than the one that the stored position describes.",
        "Nothing is lost: nothing was read from the new one.",
        "Correct the URL; for a new database, give the source a new name.",
    ),
    "publication_missing": Explanation(
        "The publication is missing, or was created after the slot's position: the stream cannot pass that point.",
        "Nothing wrong was published; what changed while it was missing cannot be read from this slot any more.",
        "connect remove SOURCE, then start the worker again: the tables are read anew.",
    ),
    "not_published": Explanation(
        "A captured table is not part of the publication that the file says not to manage.",
        "Changes of this table are not captured.",
        "ALTER PUBLICATION name ADD TABLE schema.table; or set publication.manage: true.",
    ),
    "replay_mismatch": Explanation(
        "After a restart the log did not bring back what had been delivered before, at the same position.",
        _SOURCE_WAITS,
        "Check that the server is the same and was not restored; report it, with the message.",
    ),
    "offset_format": Explanation(
        "The stored position cannot be read: it is damaged, or a newer version of Connect wrote it.",
        "Nothing is lost: it is not taken for a first start.",
        "Run the version that wrote it, or a newer one.",
    ),
    "protocol": Explanation(
        "The server sent bytes that do not follow its protocol.",
        _SOURCE_WAITS,
        "Check for a proxy between worker and server; report it, with the server's version.",
    ),
    "unknown_event": Explanation(
        "The log holds a kind of change that this version does not understand.",
        _SOURCE_WAITS,
        "Run a newer version of Connect, or report it with the server's version.",
    ),
    "undecodable_value": Explanation(
        "A value in the log is not of the form that its type has.",
        _SOURCE_WAITS,
        "Report it with the column's type; leaving the column out with columns: lets the connector go on.",
    ),
    "unrepresentable_value": Explanation(
        "A value cannot be written in the topic's format without becoming another value.",
        _SOURCE_WAITS,
        "Leave the column out with columns:, mask it, or choose the option that the message names.",
    ),
    # Tables and keys
    "table_missing": Explanation(
        "A table that the file names does not exist, or the role may not see it.",
        _NOT_STARTED,
        "Correct the name (connect plan FILE lists what is found), or GRANT USAGE ON SCHEMA and SELECT ON TABLE.",
    ),
    "column_missing": Explanation(
        "A column that the file names does not exist in the table.",
        _WAITS,
        "Correct the file, or bring the column back; connect plan FILE lists the columns.",
    ),
    "no_key": Explanation(
        "The table has no primary key, and a state topic needs one to keep the latest row of each key.",
        _NOT_STARTED,
        "Write views: [events] for the table, or key: [columns], or add a primary key.",
    ),
    "key_missing": Explanation(
        "A record came without a value for a column of its key.",
        _WAITS,
        "Choose key columns that are NOT NULL and in the replica identity.",
    ),
    "key_outside_identity": Explanation(
        "A column of the topic's key is not in the table's replica identity, so the log does not name the changed row.",
        _NOT_STARTED,
        "ALTER TABLE schema.table REPLICA IDENTITY FULL; or REPLICA IDENTITY USING INDEX over these columns.",
    ),
    "key_changed": Explanation(
        "The table's key is no longer the one that its topic was made with.",
        "Nothing is lost: rows under the new key were not published.",
        "Set key: to the old columns, or route the table to a new topic, which takes a new snapshot.",
    ),
    "keyless_too_big": Explanation(
        "A table without a key is read in one Kafka transaction, and this one is too big for the broker's time limit.",
        _NOT_STARTED,
        "Add a primary key, set snapshot: {mode: never} for it, or raise transaction.max.timeout.ms of the brokers.",
    ),
    "new_column": Explanation(
        "A column was added to a table, and the file says new_columns: fail.",
        _SOURCE_WAITS,
        "Write new_columns: publish or hold, or name the wanted columns under columns:, and start the worker again.",
    ),
    "not_captured": Explanation(
        "The log carries no UPDATE and DELETE of this table, since it has no replica identity.",
        "Its UPDATEs and DELETEs are not captured; its INSERTs are.",
        "ALTER TABLE schema.table REPLICA IDENTITY FULL; or add a primary key.",
    ),
    "name_collision": Explanation(
        "Two columns or tables have names that become the same name in the schema.",
        _WAITS,
        "Rename one of them with a rename transform, or leave one out with columns: or exclude:.",
    ),
    "field_name": Explanation(
        "A column's name cannot be a field's name in the target.",
        _SINK_WAITS,
        "Rename it with a rename transform.",
    ),
    # Kafka
    "kafka_unreachable": Explanation(
        "No broker answers, or the connection to it broke.",
        _RETRIES,
        "Check that the brokers of kafka.bootstrap run and that their advertised addresses are reached from here.",
    ),
    "kafka_credentials": Explanation(
        "The brokers refused the user name, the password or the certificate.",
        _WAITS,
        "Correct kafka.security in the file; kafka-configs.sh --describe --entity-type users lists SCRAM users.",
    ),
    "kafka_permission": Explanation(
        "The worker's principal lacks a right on a topic, a group or a transactional id.",
        _WAITS,
        "Grant it with kafka-acls.sh --add; connect doctor FILE prints each line that is missing.",
    ),
    "kafka_settings": Explanation(
        "The brokers or the client library refuse a setting of the connection.",
        _NOT_STARTED,
        "Correct kafka: bootstrap, security and client in the file.",
    ),
    "hanging_transaction": Explanation(
        "A producer left a transaction open in the positions topic, so its end cannot be read yet.",
        _RETRIES,
        "Wait for the broker to abort it; kafka-transactions.sh find-hanging names it, and abort ends it.",
    ),
    "record_too_large": Explanation(
        "A row is larger than the topic or the broker takes.",
        _SOURCE_WAITS,
        "kafka-configs.sh --alter --topic NAME --add-config max.message.bytes=BYTES; and message.max.bytes of the "
        "broker.",
    ),
    "transaction_timeout": Explanation(
        "A transaction took longer than the broker allows and was aborted.",
        _RETRIES,
        "Raise transaction.max.timeout.ms of the brokers, or look for what makes them slow.",
    ),
    "topic_missing": Explanation(
        "A topic that the stored position describes does not exist any more.",
        "What was in it is gone from Kafka, unless it is restored.",
        "Restore it, or start the source under another name, which takes a new snapshot.",
    ),
    "topic_id_changed": Explanation(
        "A topic was deleted and made again since the connector last used it.",
        "What was in the old one is gone from Kafka.",
        "For a source, start under another name, which takes a new snapshot; for a sink: connect rebuild SINK.",
    ),
    "topic_policy": Explanation(
        "A topic exists with a cleanup policy that would lose rows of this view.",
        _NOT_STARTED,
        "kafka-configs.sh --alter --topic NAME --add-config cleanup.policy=compact; events topics need delete.",
    ),
    "partition_count": Explanation(
        "A topic has another number of partitions than the file says, and keys would move between partitions.",
        "Nothing is lost: nothing was written to it.",
        "Write the topic's number under partitions:, or route the table to a new topic.",
    ),
    "topic_collision": Explanation(
        "Two tables would be written to one topic.",
        _NOT_STARTED,
        "Give one of them a route transform, or exclude it; connect plan FILE shows tables and topics.",
    ),
    "incomplete_topic": Explanation(
        "The first records of a time-kept topic have expired, so a sink that starts on it cannot be complete.",
        "Rows that changed last before the topic's first record would be missing in the target.",
        "Read the state topic of the table instead, or have the source take a new snapshot.",
    ),
    "tombstones_may_be_gone": Explanation(
        "The sink was away longer than the topic keeps deletes, so it may have missed some.",
        "Rows that were deleted meanwhile may still be in the target.",
        "connect rebuild SINK (worker stopped) reads the topic anew; raise delete.retention.ms against the next time.",
    ),
    # Schemas and the registry
    "registry_unreachable": Explanation(
        "The schema registry does not answer.",
        _RETRIES,
        "Check that schema_registry.url is up and reached from here; tables with known schemas go on meanwhile.",
    ),
    "registry_answer": Explanation(
        "What answers at schema_registry.url is no schema registry: it gave a web page, a redirect or nonsense.",
        _WAITS,
        "Correct the URL, its path included; Apicurio's is http://HOST:PORT/apis/ccompat/v7.",
    ),
    "registry_denied": Explanation(
        "The schema registry refused the credentials or the certificate.",
        _WAITS,
        "Correct schema_registry in the file; the user needs to read and to register subjects.",
    ),
    "registry_needed": Explanation(
        "A topic holds records in a registry's format, and the file names no schema_registry.",
        _SINK_WAITS,
        "Add schema_registry: {url: ...} to the file.",
    ),
    "schema_incompatible": Explanation(
        "The registry refuses the table's new schema under the subject's compatibility rule.",
        _SOURCE_WAITS,
        "Undo the change of the table, or let it pass: PUT /config/SUBJECT with another compatibility.",
    ),
    "schema_refused": Explanation(
        "The registry refuses the schema as invalid or beyond its limits.",
        _SOURCE_WAITS,
        "Read the registry's reason in the message; leaving columns out with columns: makes a schema smaller.",
    ),
    "schema_unknown": Explanation(
        "A record names a schema id that the registry does not know.",
        _SINK_WAITS,
        "Restore the registry's storage, or point schema_registry.url at the producer's registry.",
    ),
    "schema_missing": Explanation(
        "The subject has no schema, and the file says not to register any.",
        _NOT_STARTED,
        "Register the schema that connect plan FILE prints, or set schema_registry.auto_register: true.",
    ),
    "schema_unsupported": Explanation(
        "A record's schema uses a format or a type that this version does not read.",
        _SINK_WAITS,
        "Exclude the topic, or have its producer write Avro or JSON with schema.",
    ),
    "schema_id_changed": Explanation(
        "The registry gives a schema that is in use another id than before: it was replaced or lost its storage.",
        "Nothing is lost: nothing was written under the new id.",
        "Point schema_registry.url at the registry that was used before, or restore its storage.",
    ),
    "key_schema_id": Explanation(
        "The key's schema has another id than when the topic was made, and keys would go to other partitions.",
        "Nothing is lost: nothing was written under the new id.",
        "Restore the registry's storage; if it is gone for good, route the table to a new topic.",
    ),
    "poisoned_record": Explanation(
        "A record in a topic cannot be read: its bytes do not fit its schema.",
        _SINK_WAITS,
        "connect topic show TOPIC shows where; write on_error: dead_letter to set such records aside.",
    ),
    # Targets
    "target_unreachable": Explanation(
        "The sink's target does not answer, or the connection broke.",
        _RETRIES,
        "Check that it runs and that this machine reaches it: connect doctor FILE.",
    ),
    "target_missing": Explanation(
        "The table or index that the stored position describes does not exist any more.",
        "What was in it is gone; the topics still hold the rows.",
        "connect rebuild SINK (worker stopped) makes it anew and reads the topics from the start.",
    ),
    "target_changed": Explanation(
        "The table or index is not the one that the stored position describes: it was dropped and made again.",
        "Nothing is lost in the topics; the target may miss rows.",
        "Bring the old one back, or connect rebuild SINK (worker stopped).",
    ),
    "target_column": Explanation(
        "A column of the target has a type that cannot hold the topic's values, or is missing and cannot be added.",
        _SINK_WAITS,
        "ALTER the column as the message says, or connect rebuild SINK (worker stopped).",
    ),
    "target_exists": Explanation(
        "A table or index of the wanted name exists and was not made by this sink.",
        "Nothing is lost: it was not touched.",
        "Choose another name in topics: or defaults:, or drop the old one yourself.",
    ),
    "target_shared": Explanation(
        "Two topics would be written to one target.",
        _NOT_STARTED,
        "Give each its own table or index under topics:; connect plan FILE shows them.",
    ),
    "target_denied": Explanation(
        "The target refused the credentials, or they lack a right.",
        _SINK_WAITS,
        "Correct the secret that the file names, or run what connect doctor FILE prints.",
    ),
    "target_refused": Explanation(
        "The target refused a statement or request in a way that no retry can mend.",
        _SINK_WAITS,
        "Read its reason in the message, and its log.",
    ),
    "target_busy": Explanation(
        "The target kept asking for patience through all retries.",
        _RETRIES,
        "Wait, or give it more capacity.",
    ),
    "target_blocked": Explanation(
        "The target takes no writes at present: a full disk or a read-only setting.",
        _SINK_WAITS,
        "Free space and lift the block, then start the worker again.",
    ),
    "data_stream": Explanation(
        "The wanted index name belongs to a data stream, which takes no updates and deletes.",
        "Nothing is lost: it was not touched.",
        "Choose another index: under topics: or defaults:.",
    ),
    # The local stack
    "local_download_failed": Explanation(
        "A download of the local stack did not end well.",
        "Nothing is lost: what was loaded is used next time.",
        "Check the network and run the command again.",
    ),
    "local_hash_mismatch": Explanation(
        "A downloaded file is not the one that this version of Connect was made with.",
        "Nothing is lost: the file was removed and not used.",
        "Run the command again; if it stays, a proxy changes downloads.",
    ),
    "local_home_unusable": Explanation(
        "The folder for downloads and data cannot be used.",
        "Nothing is lost.",
        "Point CONNECT_HOME at a folder that you may write and other users may enter.",
    ),
    "local_no_space": Explanation(
        "The disk has too little free space for the local stack.",
        "Nothing is lost.",
        "Free space, or point CONNECT_HOME at a larger disk.",
    ),
    "local_no_unprivileged_user": Explanation(
        "Servers of the stack refuse to run as root, and this machine has no other user for them.",
        "Nothing is lost.",
        "Run the command as a normal user.",
    ),
    "local_packages_missing": Explanation(
        "The packages of the local stack are not installed.",
        "Nothing is lost.",
        'Run: pip install "connect-cdc[local]".',
    ),
    "local_port_taken": Explanation(
        "A port that was asked for is in use.",
        "Nothing is lost.",
        "Leave the port out to have a free one, or end what uses it.",
    ),
    "local_stack_ended": Explanation(
        "A server of the local stack ended by itself.",
        "Its data is kept until connect local down.",
        "Read its log, which the message names, and run connect local up again.",
    ),
    "local_start_failed": Explanation(
        "A server of the local stack did not come up in time.",
        "Nothing is lost.",
        "Read its log, which the message names; too little memory is the usual cause.",
    ),
    "local_unsupported_machine": Explanation(
        "There is no build of a server for this system and processor.",
        "Nothing is lost.",
        "Use docker/compose.yaml, or name servers of your own.",
    ),
    "local_version_missing": Explanation(
        "The wanted version of a server is not on this machine and cannot be downloaded.",
        "Nothing is lost.",
        "Install it, or leave the version out.",
    ),
}
