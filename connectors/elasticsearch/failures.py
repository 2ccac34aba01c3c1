"""What ``connect explain CODE`` says of this plugin's codes: what happened, is anything lost, what to do."""

from __future__ import annotations

from typing import Final

_NOTHING: Final = "Nothing is lost: the position has not moved and the topics hold the records."

FAILURES: Final[dict[str, tuple[str, str, str]]] = {
    "target_unreachable": (
        "Elasticsearch did not answer, or the connection broke before the answer came.",
        "Nothing is lost: the batch is sent again and versions make the repeat harmless.",
        "Check that the cluster runs and that its address, port and certificate are those of the file.",
    ),
    "target_busy": (
        "Elasticsearch kept refusing requests or single documents (429, 503) through all retries.",
        _NOTHING,
        "Wait, or give the cluster more capacity; a lower `in_flight` or `batch_bytes` eases the load.",
    ),
    "target_blocked": (
        "The index is blocked for writes, as it is when a disk passes the flood-stage watermark.",
        _NOTHING,
        'Free disk space; if the block stays: PUT INDEX/_settings {"index.blocks.read_only_allow_delete": null}.',
    ),
    "target_denied": (
        "Elasticsearch refused the credentials, or they lack a right.",
        _NOTHING,
        "Mend username, password or api_key; the role needs manage and write on the sink's indices and connect-state.",
    ),
    "target_tls": (
        "The cluster's certificate was not signed by a known authority or is for another name.",
        _NOTHING,
        "Set `ca` to the PEM file of the authority and use the host name that the certificate names.",
    ),
    "target_redirects": (
        "The address answered with a redirect, and credentials are never sent on to another address.",
        _NOTHING,
        "Set `url` to the cluster's own address.",
    ),
    "target_refused": (
        "Elasticsearch refused a request of the sink as wrong.",
        _NOTHING,
        "Read the reason in the message; an index template or cluster setting usually stands in the way.",
    ),
    "not_elasticsearch": (
        "The server at the address does not say that it is Elasticsearch.",
        _NOTHING,
        "Set `url` to an Elasticsearch 8 cluster.",
    ),
    "target_missing": (
        "The index or alias that the stored position describes is gone.",
        "The documents in it are gone; the topics still hold the rows.",
        "Run `connect rebuild SINK FILE`: it starts again from offset 0.",
    ),
    "target_changed": (
        "The alias now leads to another index than the one that the stored position describes.",
        "Nothing is lost, but the index in front of readers is not the one that this sink kept.",
        "Point the alias back, or run `connect rebuild SINK FILE`.",
    ),
    "target_exists": (
        "An index or alias of the target's name exists and this sink did not make it.",
        "Nothing is lost and nothing was changed.",
        "Set another `index:` for the topic, or remove the old index if nobody needs it.",
    ),
    "target_shared": (
        "Two topics of the sink would write to one index.",
        "Nothing is lost and nothing was changed.",
        'Give one of them another `index:`, for example "{schema}_{table}".',
    ),
    "data_stream": (
        "A data stream has the target's name; data streams take no external versions, so no exact copy is possible.",
        "Nothing is lost and nothing was changed.",
        "Set another `index:` for the topic.",
    ),
    "index_name": (
        "The target's name cannot be the name of an Elasticsearch index.",
        "Nothing is lost and nothing was changed.",
        'Set `index:` for the topic: lower case, at most 240 bytes, no spaces and none of \\ / * ? " < > | , # :',
    ),
    "field_name": (
        "A column's name cannot be the name of an Elasticsearch field.",
        _NOTHING,
        "Rename the column at this sink with a transform.",
    ),
    "mapping_conflict": (
        "A column changed its type in a way that the index's mapping cannot follow.",
        _NOTHING,
        "Run `connect rebuild SINK FILE`, or rename the column at this sink with a transform.",
    ),
    "topic_id_changed": (
        "A topic was deleted and made again; the index holds rows of the old one, which the new one may not have.",
        "Nothing is lost and nothing was changed.",
        "Run `connect rebuild SINK FILE`: it reads the new topic from offset 0.",
    ),
    "state_missing": (
        "The sink's state document in the index connect-state is gone while the sink was running.",
        "Nothing is lost, but where the index stands is no longer known.",
        "Restore connect-state from a snapshot, or drop the sink's indices and start from offset 0.",
    ),
}
