# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled twin of ``confluent_kafka.Producer``, as far as ``TransactionalProducer`` uses it: the same librdkafka,
given records as they lie in memory and without the GIL.

Its functions are called at the addresses of the librdkafka that confluent_kafka has loaded; they and the structures here
are of its public interface, which is stable.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.stdlib cimport calloc, free

from connect.records_c cimport Place, Records

from confluent_kafka import KafkaError, KafkaException

cdef enum:
    RD_KAFKA_PRODUCER = 0
    RD_KAFKA_MSG_F_COPY = 2
    RD_KAFKA_PURGE_ALL = 3  # what is queued and what is in flight
    RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE = 8
    CONF_OK = 0
    ERROR_SIZE = 512

cdef struct Message:
    int err
    void* topic
    int32_t partition
    const void* payload
    size_t size
    const void* key
    size_t key_size
    int64_t offset
    void* opaque

ctypedef void (*LogCallback)(const void* client, int level, const char* facility, const char* text) noexcept
ctypedef void (*ErrorCallback)(void* client, int error, const char* reason, void* opaque) noexcept nogil
ctypedef void (*TokenCallback)(void* client, const char* config, void* opaque) noexcept nogil

ctypedef void (*DeliveryCallback)(void* client, const void* message, void* opaque) noexcept nogil

cdef struct Library:
    void* (*conf_new)() noexcept nogil
    void (*conf_destroy)(void* conf) noexcept nogil
    int (*conf_set)(void* conf, const char* name, const char* value, char* error, size_t size) noexcept nogil
    void (*conf_set_log_cb)(void* conf, LogCallback call) noexcept nogil
    void (*conf_set_error_cb)(void* conf, ErrorCallback call) noexcept nogil
    void (*conf_set_opaque)(void* conf, void* opaque) noexcept nogil
    void (*conf_set_dr_msg_cb)(void* conf, DeliveryCallback call) noexcept nogil
    void (*conf_enable_sasl_queue)(void* conf, int enable) noexcept nogil
    void (*conf_set_oauthbearer_token_refresh_cb)(void* conf, TokenCallback call) noexcept nogil
    void* (*sasl_background_callbacks_enable)(void* client) noexcept nogil
    int (*oauthbearer_set_token)(void* client, const char* token, int64_t until_ms, const char* principal,
        const char** extensions, size_t count, char* error, size_t size) noexcept nogil
    int (*oauthbearer_set_token_failure)(void* client, const char* error) noexcept nogil
    void* (*new)(int kind, void* conf, char* error, size_t size) noexcept nogil
    int (*set_log_queue)(void* client, void* queue) noexcept nogil
    void (*destroy_flags)(void* client, int flags) noexcept nogil
    void* (*topic_new)(void* client, const char* name, void* conf) noexcept nogil
    void (*topic_destroy)(void* topic) noexcept nogil
    int (*produce_batch)(void* topic, int32_t partition, int flags, Message* messages, int count) noexcept nogil
    int (*poll)(void* client, int milliseconds) noexcept nogil
    int (*purge)(void* client, int flags) noexcept nogil
    void* (*init_transactions)(void* client, int milliseconds) noexcept nogil
    void* (*begin_transaction)(void* client) noexcept nogil
    void* (*commit_transaction)(void* client, int milliseconds) noexcept nogil
    void* (*abort_transaction)(void* client, int milliseconds) noexcept nogil
    int (*error_code)(const void* error) noexcept nogil
    const char* (*error_string)(const void* error) noexcept nogil
    int (*error_is_fatal)(const void* error) noexcept nogil
    int (*error_is_retriable)(const void* error) noexcept nogil
    int (*error_txn_requires_abort)(const void* error) noexcept nogil
    void (*error_destroy)(void* error) noexcept nogil
    const char* (*err2str)(int error) noexcept nogil
    int (*last_error)() noexcept nogil
    int (*flush)(void* client, int milliseconds) noexcept nogil

cdef Library library
cdef bint is_bound = False

# The members of ``Library`` in their order, each behind rd_kafka_.
NAMES = (
    "conf_new conf_destroy conf_set conf_set_log_cb conf_set_error_cb conf_set_opaque conf_set_dr_msg_cb"
    " conf_enable_sasl_queue conf_set_oauthbearer_token_refresh_cb sasl_background_callbacks_enable oauthbearer_set_token"
    " oauthbearer_set_token_failure new set_log_queue destroy_flags topic_new topic_destroy"
    " produce_batch poll purge init_transactions begin_transaction commit_transaction abort_transaction error_code"
    " error_string error_is_fatal error_is_retriable error_txn_requires_abort error_destroy err2str last_error flush"
).split()

_LEVELS = (50, 50, 50, 40, 30, 20, 20, 10)  # of logging, by syslog's numbers
cdef object logger = None


def bind(addresses, log):
    """``addresses`` of the functions in the order of ``NAMES``; ``log`` takes librdkafka's own lines."""
    global is_bound, logger
    cdef uintptr_t* members = <uintptr_t*> &library
    if len(addresses) != len(NAMES) or sizeof(Library) != len(NAMES) * sizeof(uintptr_t):
        raise ValueError("the addresses are not those of the functions")
    for i, address in enumerate(addresses):
        members[i] = address
    logger, is_bound = log, True


cdef void on_log(const void* client, int level, const char* facility, const char* text) noexcept with gil:
    logger.log(_LEVELS[min(max(level, 0), 7)], "%s %s", facility.decode(errors="replace"), text.decode(errors="replace"))


cdef void on_error(void* client, int error, const char* reason, void* opaque) noexcept with gil:
    """What ``poll`` serves; librdkafka's own retries come after."""
    (<NativeProducer> opaque)._hear(KafkaError(error, reason.decode(errors="replace")))


cdef void on_delivery(void* client, const void* message, void* opaque) noexcept nogil:
    """A transaction says itself what could not be delivered; but with reports ``flush`` returns at the last of them, and
    looks every 10 ms without.
    """


cdef void on_token(void* client, const char* config, void* opaque) noexcept with gil:
    """Librdkafka's own thread wants a token for SASL OAUTHBEARER."""
    cdef char[ERROR_SIZE] text
    try:
        token, until = (<NativeProducer> opaque)._token(config.decode() if config != NULL else "")
        word = token.encode()
        if library.oauthbearer_set_token(
            client, PyBytes_AS_STRING(word), <int64_t> (until * 1000), b"", NULL, 0, text, ERROR_SIZE
        ) == 0:
            return
        why = (<char*> text).decode(errors="replace")
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    word = why.encode(errors="replace")
    library.oauthbearer_set_token_failure(client, PyBytes_AS_STRING(word))


cdef object exception(int code, reason):
    return KafkaException(KafkaError(code, reason))


cdef int raise_error(void* error) except -1:
    """Raise what a transactional call gave, if it is an error."""
    if error == NULL:
        return 0
    raised = KafkaError(
        library.error_code(error),
        library.error_string(error).decode(errors="replace"),
        bool(library.error_is_fatal(error)),
        bool(library.error_is_retriable(error)),
        bool(library.error_txn_requires_abort(error)),
    )
    library.error_destroy(error)
    raise KafkaException(raised)


@cython.no_gc  # names and numbers make no cycle, and must be there when it is let go
cdef class NativeProducer:
    """``confluent_kafka.Producer`` for one thread at a time; raises ``KafkaException`` as it does."""

    cdef void* _client
    cdef dict _topics  # name → address of its handle
    cdef object _hear
    cdef object _token

    def __init__(self, settings, hear):
        """``hear`` gets librdkafka's errors when ``poll`` is called; ``oauth_cb`` among the settings as elsewhere."""
        cdef void* conf
        cdef char[ERROR_SIZE] text
        if not is_bound:
            raise RuntimeError("librdkafka was not found")
        self._topics, self._hear, self._token = {}, hear, settings.get("oauth_cb")
        conf = library.conf_new()
        for name, value in {**settings, "log.queue": True}.items():
            if name == "oauth_cb":
                continue
            key, word = name.encode(), (str(value).lower() if isinstance(value, bool) else str(value)).encode()
            if library.conf_set(conf, PyBytes_AS_STRING(key), PyBytes_AS_STRING(word), text, ERROR_SIZE) != CONF_OK:
                library.conf_destroy(conf)
                raise exception(KafkaError._INVALID_ARG, (<char*> text).decode(errors="replace"))
        library.conf_set_log_cb(conf, <LogCallback> on_log)
        library.conf_set_error_cb(conf, <ErrorCallback> on_error)
        library.conf_set_dr_msg_cb(conf, <DeliveryCallback> on_delivery)
        library.conf_set_opaque(conf, <void*> self)
        if self._token is not None:
            library.conf_enable_sasl_queue(conf, 1)
            library.conf_set_oauthbearer_token_refresh_cb(conf, <TokenCallback> on_token)
        self._client = library.new(RD_KAFKA_PRODUCER, conf, text, ERROR_SIZE)
        if self._client == NULL:
            code = library.last_error()
            library.conf_destroy(conf)
            raise exception(code, (<char*> text).decode(errors="replace"))
        library.set_log_queue(self._client, NULL)
        if self._token is not None:
            raise_error(library.sasl_background_callbacks_enable(self._client))

    def __dealloc__(self):
        cdef uintptr_t address
        if self._client == NULL:
            return
        for topic in self._topics.values():
            address = topic
            library.topic_destroy(<void*> address)
        with nogil:
            library.destroy_flags(self._client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)

    def init_transactions(self, double seconds):
        cdef void* error
        cdef int milliseconds = <int> (seconds * 1000)
        with nogil:
            error = library.init_transactions(self._client, milliseconds)
        raise_error(error)

    def begin_transaction(self):
        raise_error(library.begin_transaction(self._client))

    def commit_transaction(self, double seconds):
        cdef void* error
        cdef int milliseconds = <int> (seconds * 1000)
        with nogil:
            error = library.commit_transaction(self._client, milliseconds)
        raise_error(error)

    def abort_transaction(self, double seconds):
        cdef void* error
        cdef int milliseconds = <int> (seconds * 1000)
        with nogil:
            error = library.abort_transaction(self._client, milliseconds)
        raise_error(error)

    def poll(self, double seconds):
        cdef int served
        cdef int milliseconds = <int> (seconds * 1000)
        with nogil:
            served = library.poll(self._client, milliseconds)
        return served

    def flush(self, double seconds):
        """0 once all that was queued is delivered, or refused; what ``confluent_kafka`` counts is 1 here."""
        cdef int error
        cdef int milliseconds = <int> (seconds * 1000)
        with nogil:
            error = library.flush(self._client, milliseconds)
        return 1 if error else 0

    def purge(self):
        with nogil:
            library.purge(self._client, RD_KAFKA_PURGE_ALL)

    def produce_records(self, str topic, Records records, Py_ssize_t start, Py_ssize_t stop, int32_t partition):
        """Queue records from the one at ``start`` on, before the one at ``stop``, until one is refused.

        Args:
            topic: Of all of them.
            records: Where they lie; librdkafka copies them.
            start: The first.
            stop: Behind the last; no more than there are.
            partition: Of all of them; -1 for the partitioner.

        Returns:
            How many were taken, and librdkafka's code of the error of the next one or 0. After a full queue none of the
            others was taken either.
        """
        cdef Py_ssize_t count = min(stop, records.count) - start, i
        cdef Message* messages
        cdef Place* place
        cdef const char* data = <const char*> records.data.data
        cdef void* handle = self._topic(topic)
        cdef int error = 0
        if count <= 0:
            return 0, 0
        messages = <Message*> calloc(count, sizeof(Message))
        if messages == NULL:
            raise MemoryError
        with nogil:
            for i in range(count):
                place = &records.places[start + i]
                if place.key_size >= 0:
                    messages[i].key, messages[i].key_size = data + place.key, place.key_size
                if place.value_size >= 0:
                    messages[i].payload, messages[i].size = data + place.value, place.value_size
                messages[i].partition = partition
            library.produce_batch(handle, partition, RD_KAFKA_MSG_F_COPY, messages, <int> count)
            i = 0
            while i < count and messages[i].err == 0:
                i += 1
            if i < count:
                error = messages[i].err
            free(messages)
        return i, error

    def produce_batch(self, str topic, list records, int32_t partition):
        """``confluent_kafka.Producer.produce_batch``: the first that is refused is marked with ``_error``."""
        cdef Records packed = Records()
        for record in records:
            packed.append(record["key"], record["value"])
        taken, error = self.produce_records(topic, packed, 0, packed.count, partition)
        if error:
            records[taken]["_error"] = KafkaError(error)
        return taken

    cdef void* _topic(self, str name) except NULL:
        cdef void* handle
        cdef uintptr_t address
        known = self._topics.get(name)
        if known is None:
            word = name.encode()
            handle = library.topic_new(self._client, PyBytes_AS_STRING(word), NULL)
            if handle == NULL:
                raise exception(library.last_error(), f"no topic {name}")
            known = self._topics[name] = <uintptr_t> handle
        address = known
        return <void*> address
