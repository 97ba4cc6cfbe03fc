/*-------------------------------------------------------------------------
 *
 * kafka_sink_number.c
 *	  The number of a sink's last batch, as Kafka has it.
 *
 * The number is committed with its batch, and with it the sink's identity, the
 * timeline of the server and the hash of the batch.  It is compared with what
 * the database knows when a producer is opened, after transactions were
 * initialized: that fences off any other producer of this sink, and one that is
 * fenced off ends its process.  So of two servers that are the same sink, copies
 * of each other, one commits a batch of a number, and the other one finds it.
 * That one asks before it initializes transactions, too, so that its attempts
 * do not disturb the first.
 *
 * Brokers delete a number that was not committed for long, and never get that of
 * a batch of which all was refused.  Such a number is committed again before
 * the next batch is decided, so that whoever finds that batch undecided also
 * finds the number before it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/timestamp.h"

#include "sinks/kafka_sink.h"

/* Milliseconds after which a number that was not committed may be gone. */
#define KNOWN_FOR		3600000

/*
 * Milliseconds after which the coordinator has ended a transaction, most
 * likely, that it has said is committed.
 */
#define ENDED_AFTER		20

/* Kafka has a number at this moment. */
void
evaudit_kafka_sink_known(KafkaSink *state, int64 number)
{
	state->known = number;
	state->known_at = GetCurrentTimestamp();
}

/* What is committed beside the number of a batch. */
char *
evaudit_kafka_sink_metadata(const KafkaSink *state, const char *hash)
{
	return psprintf("%s/%u/%s", state->sink->identity,
					GetWALInsertionTimeLine(), hash);
}

/* Whether this sink committed a batch of a hash beside a number. */
static bool
is_batch(const KafkaSink *state, const char *metadata, const char *hash)
{
	size_t		len = strlen(state->sink->identity);
	const char *last = strrchr(metadata, '/');

	return strncmp(metadata, state->sink->identity, len) == 0 &&
		metadata[len] == '/' && last != NULL && strcmp(last + 1, hash) == 0;
}

/* The timeline that the metadata names, as text. */
static char *
timeline_of(const char *metadata)
{
	const char *first = strchr(metadata, '/');

	return first == NULL ? "unknown" :
		pnstrdup(first + 1, strspn(first + 1, "0123456789"));
}

/*
 * Read the number that Kafka has into *found; -1: none.  *held: it is that of
 * this batch.  Returns NULL, or why the batch cannot be sent; *ahead: Kafka has
 * this number or a later one of another batch.
 */
static char *
read_number(KafkaSink *state, bool stable, int64 number, const char *hash,
			int64 *found, bool *held, bool *ahead)
{
	char	   *metadata = NULL;
	char	   *error = evaudit_kafka_transaction_number(state->server,
														 state->sink->ambient,
														 state->identity,
														 stable, found,
														 &metadata);

	*ahead = false;
	if (error != NULL)
		return error;
	*held = *found == number && is_batch(state, metadata, hash);
	*ahead = !*held && *found >= number;
	if (*ahead)
		return psprintf("cannot send batch %lld: Kafka has batch %lld of this sink by another history of this database (timeline %s, here %u); use evaudit.seek_sink()",
						(long long) number, (long long) *found,
						timeline_of(metadata), GetWALInsertionTimeLine());
	return NULL;
}

/*
 * Be the only producer of this sink, and read the number.  Who is behind must
 * not fence off who is ahead.
 */
static char *
fence_and_read(KafkaSink *state, int64 number, const char *hash,
			   int64 *found, bool *held)
{
	bool		ahead;
	char	   *error = read_number(state, false, number, hash, found, held,
									&ahead);

	if (ahead)
		return error;
	error = evaudit_kafka_transaction_init(state->producer);
	return error != NULL ? error :
		read_number(state, true, number, hash, found, held, &ahead);
}

/*
 * Compare a batch with the number in Kafka; *held: Kafka holds the batch.
 * undecided: the batch may have been sent by a process before this one, so
 * that there must be a number, unless it is the first.  Returns NULL, or why
 * the batch cannot be sent.
 */
char *
evaudit_kafka_sink_compare(KafkaSink *state, int64 number, const char *hash,
						   bool undecided, bool *held)
{
	int64		found;
	char	   *error = fence_and_read(state, number, hash, &found, held);

	if (error != NULL)
		return error;
	if (undecided && number > 1 && found < number - 1)
		return psprintf("cannot tell whether batch %lld is in Kafka: group \"%s\" %s; use evaudit.seek_sink()",
						(long long) number, state->identity,
						found < 0 ? "has no number any more" :
						psprintf("has number %lld", (long long) found));
	state->compared = true;
	evaudit_kafka_sink_known(state, found);
	return NULL;
}

/* Begin to have the transaction commit a batch's number, for some topics. */
void
evaudit_kafka_sink_begin_number(KafkaSink *state,
								const EvauditSinkBatch *batch, List *topics)
{
	evaudit_kafka_transaction_position(state->producer, state->identity,
									   topics, batch->number,
									   evaudit_kafka_sink_metadata(state,
																   batch->hash));
}

/* What evaudit_kafka_sink_begin_number() sends, to be compared. */
static char *
number_sent(const KafkaSink *state, const EvauditSinkBatch *batch,
			List *topics)
{
	char	   *sent = psprintf("%lld %s", (long long) batch->number,
								evaudit_kafka_sink_metadata(state,
															batch->hash));
	ListCell   *lc;

	foreach(lc, topics)
		sent = psprintf("%s %s", sent, (const char *) lfirst(lc));
	return sent;
}

/* Take over a transaction that was begun ahead; false if there is none. */
static bool
take_ahead(KafkaSink *state)
{
	if (state->ahead == NULL)
		return false;
	pfree(state->ahead);
	state->ahead = NULL;
	if (evaudit_kafka_transaction_wait(state->producer) == NULL)
		return true;
	evaudit_kafka_transaction_abort(state->producer);
	return false;
}

/*
 * Begin a batch's transaction, if it was not begun ahead; returns what is to
 * be sent of the batch's number.
 *
 * While the coordinator ends one transaction it refuses to begin another: an
 * offset is then sent again after retry.backoff.ms, but partitions, which go
 * with their first record, after 20 ms in librdkafka 2.0.2.  So the number goes
 * first where that may be, and else with the records.
 */
KafkaSinkNumber
evaudit_kafka_sink_begin(KafkaSink *state, const EvauditSinkBatch *batch,
						 List *topics)
{
	bool		sent = state->ahead != NULL &&
		strcmp(state->ahead, number_sent(state, batch, topics)) == 0;

	if (take_ahead(state))
		return sent ? KAFKA_NUMBER_NOTHING : KAFKA_NUMBER_BESIDE;
	evaudit_kafka_transaction_begin(state->producer);
	return TimestampDifferenceExceeds(state->known_at, GetCurrentTimestamp(),
									  ENDED_AFTER) ?
		KAFKA_NUMBER_BESIDE : KAFKA_NUMBER_FIRST;
}

/*
 * Begin the transaction of the next batch, while the coordinator ends the one
 * before it and the next one is decided: its records can then be sent at once.
 * An offset makes it begin, which is the number of the batch given: the next
 * one, where that is known, or the one before, until another takes its place.
 */
void
evaudit_kafka_sink_begin_ahead(KafkaSink *state,
							   const EvauditSinkBatch *batch, List *topics)
{
	evaudit_kafka_transaction_begin(state->producer);
	evaudit_kafka_sink_begin_number(state, batch, topics);
	state->ahead = MemoryContextStrdup(state->sink->process->context,
									   number_sent(state, batch, topics));
	state->ahead_at = GetCurrentTimestamp();
}

/* Abort a transaction that was begun ahead, for nothing is sent in it soon. */
void
evaudit_kafka_sink_abort_ahead(KafkaSink *state)
{
	if (take_ahead(state))
		evaudit_kafka_transaction_abort(state->producer);
}

/* Commit a number again, by way of a topic that exists. */
static char *
commit_again(KafkaSink *state, int64 number, const char *topic)
{
	char	   *error;

	evaudit_kafka_transaction_begin(state->producer);
	evaudit_kafka_transaction_position(state->producer, state->identity,
									   list_make1(unconstify(char *, topic)),
									   number,
									   evaudit_kafka_sink_metadata(state, "-"));
	error = evaudit_kafka_transaction_wait(state->producer);
	if (error == NULL)
	{
		evaudit_kafka_transaction_commit(state->producer);
		error = evaudit_kafka_transaction_wait(state->producer);
	}
	if (error != NULL)
		evaudit_kafka_transaction_abort(state->producer);
	return error;
}

/* Have Kafka know the number of the last batch.  Returns NULL or an error. */
static char *
renew(KafkaSink *state, EvauditSinkBatch *batch, int64 number)
{
	int64		found;
	bool		held;
	const EvauditDelivery *first = NULL;
	char	   *error = evaudit_kafka_sink_find_topics(state, batch);

	for (int i = 0; i < batch->n && first == NULL; i++)
	{
		if (batch->deliveries[i].outcome == EVAUDIT_OUTCOME_PENDING)
			first = &batch->deliveries[i];
	}
	if (error != NULL || first == NULL)
		return error;
	error = fence_and_read(state, number + 1, "", &found, &held);
	if (error == NULL && found < number)
		error = commit_again(state, number,
							 evaudit_kafka_sink_destination(state,
															first->topic)->name);
	if (error != NULL)
		return error;
	state->compared = true;
	evaudit_kafka_sink_known(state, number);
	return NULL;
}

/* EvauditSinkKind.renew */
void
evaudit_kafka_sink_renew(void *arg, EvauditSinkBatch *batch, int64 number)
{
	KafkaSink  *state = arg;
	char	   *error;

	if (!state->options.exactly_once || number == 0 ||
		(state->compared && state->known == number &&
		 !TimestampDifferenceExceeds(state->known_at, GetCurrentTimestamp(),
									 KNOWN_FOR)))
		return;
	evaudit_kafka_sink_abort_ahead(state);
	error = renew(state, batch, number);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE), errmsg("%s", error)));
}
