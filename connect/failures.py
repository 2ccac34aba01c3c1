"""Every code that a task can stop or wait with, and what ``connect explain CODE`` says of it.

Codes of one plugin alone stand in its ``Plugin.failures``; a code that stands in both is explained by both.
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
    "file_exists": Explanation(
        "The file that a command should write is there already.",
        "Nothing is lost: the file was not touched.",
        "Give another name, or move the old file away.",
    ),
    "file_unwritable": Explanation(
        "The file that a command should write cannot be written where it should be.",
        "Nothing is lost: nothing was changed, and no part of the file was left.",
        "Make room on its disk, or name a folder that this user may write with --output.",
    ),
    "topics_none": Explanation(
        "No topic of the cluster is what the command looks for: by default compacted ones that are not internal.",
        "Nothing is lost: nothing was written.",
        "Name topics or patterns with --topic; a principal sees only topics that it may DESCRIBE.",
    ),
    "report_unwritable": Explanation(
        "The zip of connect report cannot be written where it should be.",
        "Nothing is lost: nothing was changed.",
        "Name a folder that this user may write with --output.",
    ),
    "worker_missing": Explanation(
        "A command is for a running worker, and none of this user runs.",
        "Nothing is lost: nothing was changed.",
        "Start one with connect run FILE, or ask as the user, with the CONNECT_HOME and on the machine that runs it.",
    ),
    "worker_many": Explanation(
        "A command is for a running worker, and several run.",
        "Nothing is lost: nothing was changed.",
        "Name the file of the one that is meant behind the command.",
    ),
    "worker_unreachable": Explanation(
        "The running worker did not answer on its socket.",
        "Nothing is lost: either it was asked and did it, or nothing was changed; connect status shows which.",
        "Ask again, as the user who started it; if it stays silent, stop it with Ctrl-C or kill and start it again.",
    ),
    "connector_unknown": Explanation(
        "A command names a connector that the running worker does not have.",
        "Nothing is lost: nothing was changed.",
        "Take one of the names that the message lists.",
    ),
    "command_unknown": Explanation(
        "The running worker does not know the command: it is of another version than the one that asks.",
        "Nothing is lost: nothing was changed.",
        "Restart the worker with the installed version.",
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
        "A second worker of the file waits as STANDBY by itself, so this is the end of one after --take-over, or "
        "of one that was suspended or cut off from Kafka. Run one; connect status lists the workers of this user.",
    ),
    "crashed": Explanation(
        "The connector's process ended without saying why; a signal from outside, or a fault in native code.",
        "Nothing is lost: it starts again by itself from its stored position.",
        "Nothing, if it was once; if it was killed by SIGKILL, look for the out-of-memory killer with: dmesg.",
    ),
    "resend_unsupported": Explanation(
        "Dead letters were to be sent again to a sink whose plugin cannot write records that lie below its position.",
        "Nothing: the letters stay listed.",
        "Mend the cause, then run connect rebuild SINK FILE, which writes everything anew.",
    ),
    "topic_unknown": Explanation(
        "The topic that was asked for does not exist, or this principal may not see it.",
        "Nothing is lost: only a look was asked for.",
        "connect plan FILE --all names the topics of a file.",
    ),
    "transaction_timeout": Explanation(
        "A Kafka transaction was open for longer than a minute, so the broker gave it up.",
        "Nothing is lost and nothing is repeated: none of it was visible.",
        "The connector goes on from its position by itself; if it happens again, look at what stops the machine or the "
        "broker for so long.",
    ),
    "worker_running": Explanation(
        "A command that changes a connector's state was given while its worker runs, here or on another machine.",
        "Nothing is lost and nothing was changed.",
        "Stop the worker, give the command again, and start the worker; or give it where the worker runs.",
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
        "A transaction that was still open at the source outgrew the space that the spool may use.",
        _SOURCE_WAITS,
        "Raise the source's limit of the spool as the message says, and start the worker again.",
    ),
    "spool_unusable": Explanation(
        "The folder for transactions too big to hold in memory cannot be read or written, or a file in it was cut.",
        _SOURCE_WAITS,
        "Make the folder writable for the user who runs the worker, let nothing else clean it, and start again.",
    ),
    "keyless": Explanation(
        "A table without a key was to be read again.",
        "Nothing is lost, and nothing was changed.",
        "Give the table a key, or one in the file with key:, or start the source anew under another name.",
    ),
    "identity_changed": Explanation(
        "An option that a table's topics rest on was changed: a view, a topic's name, the key, the form of values.",
        "Nothing is lost, and nothing was written in the new way.",
        "Put it back. Or leave the table out of the file, start once, and name it again: it is read anew. If its key "
        "or the form of its values changed, route it to another topic then.",
    ),
    "where_hides": Explanation(
        "A table has to be read anew, and snapshot.where hides rows: keys that are gone cannot be told from those.",
        _SOURCE_WAITS,
        "Take where: out of the table for this reading, or route the table to a topic of its own.",
    ),
    "tables_appeared": Explanation(
        "The server has new tables that a pattern of the file names.",
        "Nothing is lost: they are read from their first row on, the others go on where they were.",
        "Nothing: the source starts anew by itself, at once. To leave such tables out, name them under exclude:.",
    ),
    "tables": Explanation(
        "The tables that the file names do not fit the tables that the server has.",
        _NOT_STARTED,
        "Mend what the message lists; connect plan FILE --all shows the tables found and what becomes of them.",
    ),
    "code_unknown": Explanation(
        "There is no such code in this version, nor in an installed plugin.",
        "Nothing is lost.",
        "connect explain lists every code.",
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
        "Leave key columns out of that transform; connect plan FILE --all shows each table's key.",
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
    "offset_format": Explanation(
        "The stored position cannot be read: it is damaged, or something else wrote it.",
        "Nothing is lost: it is not taken for a first start.",
        "Restore the topic or table that the message names, or run what wrote it.",
    ),
    "state_is_newer": Explanation(
        "A newer Connect wrote the stored state that the message names, in a form that this one cannot read.",
        "Nothing is lost and nothing was changed.",
        "Upgrade Connect here, or go on with the newer one. An older one needs state that is as old as itself.",
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
    "key_missing": Explanation(
        "A record came without a value for a column of its key.",
        _WAITS,
        "Choose key columns that are NOT NULL and in the replica identity.",
    ),
    "key_changed": Explanation(
        "The table's key is no longer the one that its topic was made with.",
        "Nothing is lost: rows under the new key were not published.",
        "Set key: to the old columns, or route the table to a new topic, which takes a new snapshot.",
    ),
    "columns_added": Explanation(
        "A column was added to a table, and the file says new_columns: fail.",
        _SOURCE_WAITS,
        "Write new_columns: publish or hold, or name the wanted columns under columns:, and start the worker again.",
    ),
    "keyless_too_big": Explanation(
        "A table without a key is read in one Kafka transaction, and this one is too big for the broker's time limit.",
        _NOT_STARTED,
        "Add a primary key, set snapshot: {mode: never} for it, or raise transaction.max.timeout.ms of the brokers.",
    ),
    "name_collision": Explanation(
        "Two columns or tables have names that become the same name in the schema.",
        _WAITS,
        "Rename one of them with a rename transform, or leave one out with columns: or exclude:.",
    ),
    # Kafka
    "kafka_unreachable": Explanation(
        "No broker answers, or the connection to it broke.",
        _RETRIES,
        "Check that the brokers of kafka.bootstrap run and that their advertised addresses are reached from here.",
    ),
    "kafka_credentials": Explanation(
        "The brokers refused the log-in, or no token could be had for it.",
        _RETRIES,
        "Correct kafka.security.sasl in the file and restart, or the cluster's users: kafka-configs.sh --describe "
        "--entity-type users lists those of SCRAM. A secret given as ${file:…} is read again at each try.",
    ),
    "kafka_tls": Explanation(
        "No encrypted connection to a broker came up: its certificate has expired, is for another name or is signed by "
        "an authority that is not trusted; or it refused ours.",
        _RETRIES,
        "Give the broker a new certificate; or set kafka.security.tls.ca to the PEM file of its authority, and use a "
        "name of the certificate in kafka.bootstrap and advertised.listeners.",
    ),
    "kafka_permission": Explanation(
        "The worker's principal lacks a right on a topic, a group or a transactional id.",
        _WAITS,
        "Grant it with kafka-acls.sh --add; connect plan --acls FILE prints every right that the file needs.",
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
    "topic_missing": Explanation(
        "A topic that the stored position describes does not exist any more.",
        "What was in it is gone from Kafka, unless it is restored; what a sink made of it is still in its target.",
        "Restore it. Or, for a source, start under another name, which takes a new snapshot; for a sink whose topic "
        "was deleted on purpose, exclude: it, and its rows stay as they are, or run connect rebuild SINK FILE.",
    ),
    "topic_id_changed": Explanation(
        "A topic was deleted and made again since the connector last used it.",
        "What was in the old one is gone from Kafka.",
        "For a source, start under another name, which takes a new snapshot; for a sink: connect rebuild SINK FILE.",
    ),
    "changes_missed": Explanation(
        "A captured table was out of the log for a while, since somebody took it out of the publication, and it cannot "
        "be read again by itself: it has no key, or the file says snapshot: {mode: never}.",
        "Its changes of that while are in no log; what the table holds now is what is left of them.",
        "Leave the table out of the file, start the worker, and name it again: it begins anew. A table without a key "
        "is then read whole, so its topic has those rows twice.",
    ),
    "connector_gone": Explanation(
        "The file was edited while its worker runs: a connector that was started anew is in it no more.",
        _WAITS,
        "Put it back and give connect restart NAME; or start the worker anew with the file as it is now.",
    ),
    "source_renamed": Explanation(
        "A source was started under a name that connect rename gave up: its position belongs to the new name.",
        _NOT_STARTED,
        "Start the file that has the new name. For another source under the old name: connect remove NAME FILE first.",
    ),
    "looks_renamed": Explanation(
        "A new source would write to the topics of one that the file has no more: its entry was probably renamed.",
        _NOT_STARTED,
        "Stop the worker and give the command of the message, connect rename source OLD NEW FILE: position, slot and "
        "topics stay. If it is another source: another topic_prefix, or `adopt: true`.",
    ),
    "rename_names": Explanation(
        "A renamed source has things on its server, such as a slot, that are called after its old name.",
        "Nothing is lost: nothing was changed.",
        "Write the keys of the message under the source's entry, and give the command again.",
    ),
    "rename_topics": Explanation(
        "A renamed source would write to other topics than until now: its topic_prefix was its old name.",
        "Nothing is lost: nothing was changed.",
        "Write topic_prefix: with the old name under the source's entry, and give the command again.",
    ),
    "rename_nothing": Explanation(
        "The source that should be renamed has no stored position: it never ran under this name, or was removed.",
        "Nothing is lost: nothing was changed.",
        "Look for its name, and for the file's: positions are kept by both. connect plan FILE shows what is there.",
    ),
    "rename_target": Explanation(
        "A source was started under its new name before connect rename, and has a position of its own now.",
        "Nothing is lost: both positions are there, and nothing was changed.",
        "Give the entry its old name back; or connect remove NEW FILE, which drops what the new one made, then rename.",
    ),
    "topic_not_ours": Explanation(
        "A topic that a source should begin to write to holds records of somebody else, or of a renamed source.",
        _NOT_STARTED,
        "Take another topic_prefix or route the table elsewhere; or write `adopt: true` under the source, once nobody "
        "else writes there: its snapshot then writes every row anew and deletes the keys that the table lacks.",
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
    "truncate_unordered": Explanation(
        "A sink met a TRUNCATE in a topic with several partitions, where nothing says which of the other partitions' "
        "rows came before it and which after it.",
        "Nothing is lost: what came before it is written, and the sink's position stands before it.",
        "Read the table's state topic instead of its events, give the table partitions: 1, or leave the topic out with "
        "exclude: of the sink.",
    ),
    "gap": Explanation(
        "What comes after the stored position is gone: a topic's records expired, or a source's log was removed, "
        "before they were read.",
        "What was in between is lost to this connector; nothing wrong was written.",
        "For a sink, connect rebuild SINK FILE reads its topics anew; for a source, connect remove SOURCE FILE "
        "and a new start read its tables anew.",
    ),
    "offset_out_of_range": Explanation(
        "The next record that the sink needs is not in its topic: it was removed, or the topic lost its end.",
        "The records in between are gone from Kafka; the target was not changed.",
        "Look for retention, kafka-delete-records.sh or an unclean leader election; then connect rebuild SINK FILE.",
    ),
    "topic_collision": Explanation(
        "Two tables would be written to one topic, or one to a topic that the worker keeps for itself.",
        _NOT_STARTED,
        "Give one of them a route transform, or exclude it; connect plan FILE --all shows tables and topics.",
    ),
    "incomplete_topic": Explanation(
        "The first records of a time-kept topic have expired, so a sink that starts on it cannot be complete.",
        "Rows that changed last before the topic's first record would be missing in the target.",
        "Read the state topic of the table instead, or have the source take a new snapshot.",
    ),
    "tombstones_may_be_gone": Explanation(
        "The sink was away longer than the topic keeps deletes, so it may have missed some.",
        "Rows that were deleted meanwhile may still be in the target.",
        "connect rebuild SINK FILE reads the topic anew; raise delete.retention.ms against the next time.",
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
    "registry_untrusted": Explanation(
        "The registry's certificate is not signed by an authority that this machine trusts, or is for another name.",
        _WAITS,
        "Set schema_registry.tls.ca to the PEM file of the authority, and use the host name of the certificate.",
    ),
    "registry_needed": Explanation(
        "A topic holds records in a registry's format, and the file names no schema_registry.",
        _SINK_WAITS,
        "Add schema_registry: {url: ...} to the file.",
    ),
    "schema_incompatible": Explanation(
        "A column changed its type so that no reader of the topic reads old and new records, or the registry refuses "
        "the table's new schema under the subject's compatibility rule.",
        _SOURCE_WAITS,
        "Leave the column out with columns:, or let it pass: with a registry, PUT /config/SUBJECT with another "
        "compatibility; without one, changed_types: publish for the table. Undoing the change does not help, since the "
        "rows in between are in the log as they are.",
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
        "Register what connect plan FILE --json shows under schemas, or set schema_registry.auto_register: true.",
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
        "connect topic show TOPIC FILE shows where; write on_error: dead_letter to set such records aside.",
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
        "connect rebuild SINK FILE makes it anew and reads the topics from the start.",
    ),
    "target_changed": Explanation(
        "The table or index is not the one that the stored position describes: it was dropped and made again.",
        "Nothing is lost in the topics; the target may miss rows.",
        "Bring the old one back, or connect rebuild SINK FILE.",
    ),
    "target_column": Explanation(
        "A column of the target has a type that cannot hold the topic's values, or is missing and cannot be added.",
        _SINK_WAITS,
        "ALTER the column as the message says, or connect rebuild SINK FILE.",
    ),
    "target_exists": Explanation(
        "A table or index of the wanted name exists and was not made by this sink.",
        "Nothing is lost: it was not touched.",
        "Choose another name in topics: or defaults:, or drop the old one yourself.",
    ),
    "target_shared": Explanation(
        "Two topics would be written to one target.",
        _NOT_STARTED,
        "Give each its own table or index under topics:; connect plan FILE --all shows them.",
    ),
    "target_refused": Explanation(
        "The target refused a statement or request in a way that no retry can mend.",
        _SINK_WAITS,
        "Read its reason in the message, and its log.",
    ),
    "target_conflict": Explanation(
        "Another program holds locks on the sink's tables for too long, or a deadlock was broken at our cost.",
        _RETRIES,
        "SELECT pid, query FROM pg_stat_activity WHERE wait_event_type = 'Lock'; shows who waits and for whom.",
    ),
    "target_read_only": Explanation(
        "The target database takes no writes: it is a standby, or was set to read only.",
        _RETRIES,
        "Point url: at the primary, or ALTER DATABASE name SET default_transaction_read_only = off;.",
    ),
    "target_credentials": Explanation(
        "The target refused the user name or the password.",
        _SINK_WAITS,
        "Correct the secret that the file names and start the worker again.",
    ),
    "target_permission": Explanation(
        "The sink's user lacks a right in the target.",
        _SINK_WAITS,
        "Run the GRANT of the message; connect doctor FILE prints what else is missing.",
    ),
    "target_database": Explanation(
        "The database that the sink's url: names does not exist.",
        _SINK_WAITS,
        "Correct the URL, or CREATE DATABASE it.",
    ),
    "target_url": Explanation(
        "The sink's url: is no address of a database.",
        _NOT_STARTED,
        "Write for example postgresql://user@host:5432/database.",
    ),
    "target_schema": Explanation(
        "The schema that the sink should write to does not exist.",
        _SINK_WAITS,
        "CREATE SCHEMA it, set schema: of the sink, or ALTER ROLE name SET search_path.",
    ),
    "target_kind": Explanation(
        "What has the wanted name in the target is no table that can be written: a view, for example.",
        "Nothing is lost: it was not touched.",
        "Write another table: for the topic.",
    ),
    "name_too_long": Explanation(
        "A table or a column would have a name that is empty or longer than the target allows.",
        _SINK_WAITS,
        "Give the topic a table: of its own, or rename the column with a rename transform.",
    ),
    "position_changed": Explanation(
        "Somebody changed the sink's stored position in the target while it ran.",
        "Nothing is lost by the sink: it wrote nothing on top of it.",
        "Find out who wrote to connect_positions, then start the worker again; if in doubt, connect rebuild SINK FILE.",
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
    "local_which_stack": Explanation(
        "connect local down was given no id, and several detached stacks run: some may be somebody else's.",
        "Nothing is lost: nothing was ended.",
        "connect local status shows them; connect local down ID ends one, --all every one.",
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
    "local_server_url": Explanation(
        "The address of a server that the tests should use is not a URL of a MySQL or MariaDB.",
        "Nothing is lost.",
        "Set CONNECT_TEST_MYSQL or CONNECT_TEST_MARIADB to mysql://user:password@host:port/, or unset it.",
    ),
    "local_unknown_server": Explanation(
        "The local stack has no server of this name.",
        "Nothing is lost.",
        "Use one of the names that connect local up --help lists.",
    ),
    "extra_missing": Explanation(
        "The demonstration needs packages that the base installation does not have.",
        "Nothing is lost.",
        'Run: pip install "connect-cdc[local]".',
    ),
    "demo_worker": Explanation(
        "The worker of the demonstration ended by itself, or did not catch up in time.",
        "Nothing of yours: the demonstration has databases of its own.",
        "Read the log that the message names; a machine with too little memory is the usual cause.",
    ),
}
