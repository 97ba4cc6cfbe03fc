/*-------------------------------------------------------------------------
 *
 * property.c
 *	  The configuration properties of librdkafka, and which of them a foreign
 *	  server or a user mapping may set.
 *
 * The list is an allow-list.  It has every property that CONFIGURATION.md of
 * librdkafka 2.0.2, the oldest version supported, documents or that the
 * library knows without documenting it, and a few of later versions.  What
 * is not listed is refused: a property of a newer library can do anything.
 * test/t/007_kafka_properties.t compares the list with the library's own.
 *
 * A server says where the cluster is and how it is talked to; a user mapping
 * says who talks.  A mapping cannot name other brokers, so that it is of no
 * use to probe the network from the database server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/property.h"

#define SERVER		EVAUDIT_KAFKA_SERVER
#define MAPPING		EVAUDIT_KAFKA_MAPPING
#define BOTH		(SERVER | MAPPING)
#define SECRET		EVAUDIT_KAFKA_SECRET
#define READS_FILE	EVAUDIT_KAFKA_FILE
#define OWNED		EVAUDIT_KAFKA_OWNED
#define PROCESS		EVAUDIT_KAFKA_PROCESS
#define NO_USE		EVAUDIT_KAFKA_NO_USE

/* A message, with its key and headers, is never larger than this. */
#define MESSAGE_BYTES	100000000

/* How long a producer may collect records, and a transaction may last. */
#define LINGER_MS		1000
#define TRANSACTION_MS	900000

static const EvauditKafkaProperty properties[] = {
	/* where the cluster is, and how it is talked to */
	{"api.version.fallback.ms", SERVER},
	{"api.version.request", SERVER},
	{"api.version.request.timeout.ms", SERVER},
	{"bootstrap.servers", SERVER},
	{"broker.address.family", SERVER},
	{"broker.address.ttl", SERVER},
	{"broker.version.fallback", SERVER},
	{"check.crcs", SERVER},
	{"client.rack", SERVER},
	{"connections.max.idle.ms", SERVER},
	{"fetch.min.bytes", SERVER},
	{"fetch.wait.max.ms", SERVER},
	{"group.id", SERVER},
	{"message.max.bytes", SERVER, MESSAGE_BYTES},
	{"metadata.broker.list", SERVER},
	{"metadata.max.age.ms", SERVER},
	{"receive.message.max.bytes", SERVER, MESSAGE_BYTES},
	{"reconnect.backoff.max.ms", SERVER},
	{"reconnect.backoff.ms", SERVER},
	{"retry.backoff.ms", SERVER},
	{"socket.connection.setup.timeout.ms", SERVER},
	{"socket.keepalive.enable", SERVER},
	{"socket.max.fails", SERVER},
	{"socket.nagle.disable", SERVER},
	{"socket.receive.buffer.bytes", SERVER},
	{"socket.send.buffer.bytes", SERVER},
	{"socket.timeout.ms", SERVER},
	{"topic.metadata.refresh.fast.interval.ms", SERVER},
	{"topic.metadata.refresh.interval.ms", SERVER},
	{"topic.metadata.refresh.sparse", SERVER},

	/* TLS */
	{"enable.ssl.certificate.verification", SERVER},
	{"security.protocol", SERVER},
	{"ssl.ca.location", SERVER | READS_FILE},
	{"ssl.ca.pem", SERVER},
	{"ssl.cipher.suites", SERVER},
	{"ssl.crl.location", SERVER | READS_FILE},
	{"ssl.curves.list", SERVER},
	{"ssl.endpoint.identification.algorithm", SERVER},
	{"ssl.sigalgs.list", SERVER},

	/* who we are */
	{"client.id", BOTH},
	{"sasl.mechanism", BOTH},
	{"sasl.mechanisms", BOTH},
	{"sasl.password", MAPPING | SECRET},
	{"sasl.username", BOTH},
	{"ssl.certificate.location", BOTH | READS_FILE},
	{"ssl.certificate.pem", BOTH},
	{"ssl.key.location", BOTH | READS_FILE},
	{"ssl.key.password", MAPPING | SECRET},
	{"ssl.key.pem", MAPPING | SECRET},
	{"ssl.keystore.location", BOTH | READS_FILE},
	{"ssl.keystore.password", MAPPING | SECRET},

	/* Kerberos; nothing renews a ticket, as that takes a shell */
	{"sasl.kerberos.keytab", BOTH | READS_FILE},
	{"sasl.kerberos.kinit.cmd", PROCESS},
	{"sasl.kerberos.min.time.before.relogin", PROCESS},
	{"sasl.kerberos.principal", BOTH},
	{"sasl.kerberos.service.name", SERVER},

	/* OAuth; only the server's owner says where a token is requested */
	{"enable.sasl.oauthbearer.unsecure.jwt", SERVER},
	{"sasl.oauthbearer.client.id", BOTH},
	{"sasl.oauthbearer.client.secret", MAPPING | SECRET},
	{"sasl.oauthbearer.config", MAPPING | SECRET},
	{"sasl.oauthbearer.extensions", BOTH},
	{"sasl.oauthbearer.method", SERVER},
	{"sasl.oauthbearer.scope", BOTH},
	{"sasl.oauthbearer.token.endpoint.url", SERVER},

	/* exactly once, memory and what is read rest on these */
	{"allow.auto.create.topics", OWNED},
	{"auto.commit.enable", OWNED},
	{"auto.commit.interval.ms", OWNED},
	{"auto.offset.reset", OWNED},
	{"consume.callback.max.messages", OWNED},
	{"coordinator.query.interval.ms", OWNED},
	{"debug", OWNED},
	{"enable.auto.commit", OWNED},
	{"enable.auto.offset.store", OWNED},
	{"enable.partition.eof", OWNED},
	{"enabled_events", OWNED},
	{"fetch.error.backoff.ms", OWNED},
	{"fetch.max.bytes", OWNED},
	{"fetch.message.max.bytes", OWNED},
	{"group.instance.id", OWNED},
	{"group.protocol.type", OWNED},
	{"heartbeat.interval.ms", OWNED},
	{"isolation.level", OWNED},
	{"log.connection.close", OWNED},
	{"log.queue", OWNED},
	{"log.thread.name", OWNED},
	{"log_level", OWNED},
	{"max.in.flight", OWNED},
	{"max.in.flight.requests.per.connection", OWNED},
	{"max.partition.fetch.bytes", OWNED},
	{"max.poll.interval.ms", OWNED},
	{"offset.store.method", OWNED},
	{"offset.store.path", OWNED},
	{"offset.store.sync.interval.ms", OWNED},
	{"partition.assignment.strategy", OWNED},
	{"queued.max.messages.kbytes", OWNED},
	{"queued.min.messages", OWNED},
	{"session.timeout.ms", OWNED},
	{"statistics.interval.ms", OWNED},
	/* an expression that a thread of the library would match */
	{"topic.blacklist", OWNED},
	{"topic.metadata.propagation.max.ms", OWNED},

	/* load code, run programs or change the process */
	{"enable.random.seed", PROCESS},
	{"internal.termination.signal", PROCESS},
	{"plugin.library.paths", PROCESS},
	{"ssl.engine.id", PROCESS},
	{"ssl.engine.location", PROCESS},
	{"ssl.providers", PROCESS},
	{"test.mock.broker.rtt", PROCESS},
	{"test.mock.num.brokers", PROCESS},

	/* of producers: what may be tuned */
	{"compression.codec", SERVER},
	{"compression.level", SERVER},
	{"compression.type", SERVER},
	{"linger.ms", SERVER, LINGER_MS},
	{"queue.buffering.max.ms", SERVER, LINGER_MS},
	{"request.timeout.ms", SERVER},
	{"sticky.partitioning.linger.ms", SERVER, LINGER_MS},
	{"transaction.timeout.ms", SERVER, TRANSACTION_MS},

	/* of producers: order, exactly once and memory rest on these */
	{"acks", OWNED},
	{"batch.num.messages", OWNED},
	{"batch.size", OWNED},
	{"delivery.report.only.error", OWNED},
	{"delivery.timeout.ms", OWNED},
	{"enable.gapless.guarantee", OWNED},
	{"enable.idempotence", OWNED},
	{"message.copy.max.bytes", OWNED},
	{"message.send.max.retries", OWNED},
	{"message.timeout.ms", OWNED},
	{"msg_order_cmp", OWNED},
	{"partitioner", OWNED},
	{"partitioner_cb", OWNED},
	{"produce.offset.report", OWNED},
	{"queue.buffering.backpressure.threshold", OWNED},
	{"queue.buffering.max.kbytes", OWNED},
	{"queue.buffering.max.messages", OWNED},
	{"queuing.strategy", OWNED},
	{"request.required.acks", OWNED},
	{"retries", OWNED},
	{"transactional.id", OWNED},

	/* set by functions, by other systems, or by nobody any more */
	{"background_event_cb", NO_USE},
	{"builtin.features", NO_USE},
	{"client.software.name", NO_USE},
	{"client.software.version", NO_USE},
	{"closesocket_cb", NO_USE},
	{"connect_cb", NO_USE},
	{"consume_cb", NO_USE},
	{"default_topic_conf", NO_USE},
	{"dr_cb", NO_USE},
	{"dr_msg_cb", NO_USE},
	{"enable.sparse.connections", NO_USE},
	{"enable_sasl_queue", NO_USE},
	{"error_cb", NO_USE},
	{"interceptors", NO_USE},
	{"log_cb", NO_USE},
	{"metadata.request.timeout.ms", NO_USE},
	{"oauthbearer_token_refresh_cb", NO_USE},
	{"offset_commit_cb", NO_USE},
	{"opaque", NO_USE},
	{"open_cb", NO_USE},
	{"rebalance_cb", NO_USE},
	{"reconnect.backoff.jitter.ms", NO_USE},
	{"resolve_cb", NO_USE},
	{"socket.blocking.max.ms", NO_USE},
	{"socket_cb", NO_USE},
	{"ssl.ca.certificate.stores", NO_USE},
	{"ssl.certificate.verify_cb", NO_USE},
	{"ssl_ca", NO_USE},
	{"ssl_certificate", NO_USE},
	{"ssl_engine_callback_data", NO_USE},
	{"ssl_key", NO_USE},
	{"stats_cb", NO_USE},
	{"throttle_cb", NO_USE},
	{"topic.metadata.refresh.fast.cnt", NO_USE},

	/* of versions after 2.0.2 */
	{"client.dns.lookup", SERVER},
	{"enable.metrics.push", OWNED},
	{"fetch.queue.backoff.ms", OWNED},
	{"group.protocol", OWNED},
	{"group.remote.assignor", OWNED},
	{"https.ca.location", SERVER | READS_FILE},
	{"https.ca.pem", SERVER},
	{"metadata.recovery.rebootstrap.trigger.ms", SERVER},
	{"metadata.recovery.strategy", SERVER},
	{"retry.backoff.max.ms", SERVER},
};

/* What is known of a property; NULL: it is not on the list. */
const EvauditKafkaProperty *
evaudit_kafka_property(const char *name)
{
	for (int i = 0; i < lengthof(properties); i++)
	{
		if (strcmp(properties[i].name, name) == 0)
			return &properties[i];
	}
	return NULL;
}
