/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Merging events into user_services.
 *
 * For each (user_id, service_id) the table keeps the greatest (last_accessed,
 * service_name).  Taking the greater of two is a join: any order, repetition
 * and batching of the same events gives the same table.  So the winners of a
 * batch can be chosen here, and one statement merges them.  They come in the
 * order of their key: two sessions that merge at a time lock the rows in the
 * same order and cannot deadlock.
 *
 * The statement is plain SQL, run as the current user, so that grants, row
 * security, triggers, constraints and partitions of the table are in force.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "events/merge.h"
#include "server/spi.h"
#include "text/compare.h"

/* The winner so far of one key. */
typedef struct Winner
{
	EvauditEvent *event;
	uint32		hash;
	char		status;
} Winner;

/* Compare the keys of two events. */
static inline int
compare_keys(const EvauditEvent *a, const EvauditEvent *b)
{
	int			result = evaudit_text_compare(a->fields[EVAUDIT_FIELD_USER_ID],
											  b->fields[EVAUDIT_FIELD_USER_ID]);

	return result != 0 ? result :
		evaudit_text_compare(a->fields[EVAUDIT_FIELD_SERVICE_ID],
							 b->fields[EVAUDIT_FIELD_SERVICE_ID]);
}

/* Hash the key of an event. */
static inline uint32
hash_key(const EvauditEvent *event)
{
	const text *user = event->fields[EVAUDIT_FIELD_USER_ID];
	const text *service = event->fields[EVAUDIT_FIELD_SERVICE_ID];

	return hash_combine(hash_bytes((const unsigned char *) VARDATA_ANY(user),
								   VARSIZE_ANY_EXHDR(user)),
						hash_bytes((const unsigned char *) VARDATA_ANY(service),
								   VARSIZE_ANY_EXHDR(service)));
}

#define SH_PREFIX winners
#define SH_ELEMENT_TYPE Winner
#define SH_KEY_TYPE EvauditEvent *
#define SH_KEY event
#define SH_HASH_KEY(tb, key) hash_key(key)
#define SH_EQUAL(tb, a, b) (compare_keys(a, b) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "server/simplehash.h"

/* Whether a replaces b, which has the same key. */
static inline bool
is_newer(const EvauditEvent *a, const EvauditEvent *b)
{
	if (a->event_time != b->event_time)
		return a->event_time > b->event_time;
	return evaudit_text_compare(a->fields[EVAUDIT_FIELD_SERVICE_NAME],
								b->fields[EVAUDIT_FIELD_SERVICE_NAME]) > 0;
}

/* An event with the bytes that decide most comparisons of its key. */
typedef struct SortKey
{
	uint64		head;			/* of user_id; see sort_events() */
	EvauditEvent *event;
} SortKey;

/* Compare for sort_keys(). */
static inline int
compare_sort_keys(const SortKey *a, const SortKey *b)
{
	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	return compare_keys(a->event, b->event);
}

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE SortKey
#define ST_COMPARE(a, b) compare_sort_keys(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* How many bytes all user_ids begin with alike. */
static int
common_prefix(EvauditEvent **events, int n)
{
	const text *first = events[0]->fields[EVAUDIT_FIELD_USER_ID];
	int			common = VARSIZE_ANY_EXHDR(first);

	for (int i = 1; i < n; i++)
	{
		const text *user = events[i]->fields[EVAUDIT_FIELD_USER_ID];
		int			same = 0;

		common = Min(common, (int) VARSIZE_ANY_EXHDR(user));
		while (same < common &&
			   VARDATA_ANY(user)[same] == VARDATA_ANY(first)[same])
			same++;
		common = same;
	}
	return common;
}

/*
 * Sort events by their key.  Most comparisons are decided by eight bytes of
 * user_id held beside the pointer: those after the prefix that all ids have,
 * such as "user-", which would tell nothing.  No text has a zero byte, so
 * that a short id padded with them sorts before a longer one.
 */
static void
sort_events(EvauditEvent **events, int n)
{
	SortKey    *keys;
	int			prefix;

	if (n < 2)
		return;
	keys = palloc_extended(n * sizeof(SortKey), MCXT_ALLOC_HUGE);
	prefix = common_prefix(events, n);
	for (int i = 0; i < n; i++)
	{
		const text *user = events[i]->fields[EVAUDIT_FIELD_USER_ID];
		int			rest = VARSIZE_ANY_EXHDR(user) - prefix;
		uint64		head = 0;

		memcpy(&head, VARDATA_ANY(user) + prefix,
			   Min(rest, (int) sizeof(head)));
		keys[i].head = pg_ntoh64(head);
		keys[i].event = events[i];
	}
	sort_keys(keys, n);
	for (int i = 0; i < n; i++)
		events[i] = keys[i].event;
	pfree(keys);
}

/* The winner of each key, in the order of the keys; returns how many. */
static int
choose_winners(EvauditEvent **events, int n, EvauditEvent **chosen)
{
	winners_hash *table = winners_create(CurrentMemoryContext, n, NULL);
	winners_iterator it;
	Winner	   *winner;
	int			nchosen = 0;

	for (int i = 0; i < n; i++)
	{
		bool		found;

		winner = winners_insert(table, events[i], &found);
		if (found && is_newer(events[i], winner->event))
			winner->event = events[i];
	}

	winners_start_iterate(table, &it);
	while ((winner = winners_iterate(table, &it)) != NULL)
		chosen[nchosen++] = winner->event;
	winners_destroy(table);
	sort_events(chosen, nchosen);
	return nchosen;
}

/* What the statements of evaudit_merge() have in common. */
#define MERGE_INTO \
	"INSERT INTO $S.user_services AS t" \
	" (user_id, service_id, service_name, last_accessed)"
#define MERGE_CONFLICT \
	" ON CONFLICT (user_id, service_id) DO UPDATE" \
	" SET service_name = EXCLUDED.service_name," \
	" last_accessed = EXCLUDED.last_accessed" \
	" WHERE t.last_accessed OPERATOR(pg_catalog.<) EXCLUDED.last_accessed" \
	" OR (t.last_accessed OPERATOR(pg_catalog.=) EXCLUDED.last_accessed" \
	" AND t.service_name OPERATOR(pg_catalog.<) EXCLUDED.service_name" \
	" COLLATE pg_catalog.\"C\")"

/* One field of all events as an array of text. */
static Datum
field_array(EvauditEvent **events, int n, EvauditField field, Datum *scratch)
{
	for (int i = 0; i < n; i++)
		scratch[i] = PointerGetDatum(events[i]->fields[field]);
	return evaudit_spi_array(scratch, NULL, n, TEXTOID);
}

/* The times of all events as an array of timestamptz. */
static Datum
time_array(EvauditEvent **events, int n, Datum *scratch)
{
	for (int i = 0; i < n; i++)
		scratch[i] = TimestampTzGetDatum(events[i]->event_time);
	return evaudit_spi_array(scratch, NULL, n, TIMESTAMPTZOID);
}

/*
 * Merge accepted events, in any order, within a transaction.  Returns how
 * many rows were written; errors of the table, its triggers and constraints
 * are raised.
 *
 * The arrays are unnested in the select list, where they yield row by row;
 * in FROM each of them would fill a tuplestore first.  One event alone is a row
 * of VALUES, which a server with distributed tables sends to where it belongs.
 */
uint64
evaudit_merge(EvauditEvent **events, int n)
{
	static EvauditStatement merge = {
		MERGE_INTO
		" SELECT pg_catalog.unnest($1), pg_catalog.unnest($2),"
		" pg_catalog.unnest($3), pg_catalog.unnest($4)"
		MERGE_CONFLICT,
		4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
	};
	static EvauditStatement merge_one = {
		MERGE_INTO " VALUES ($1, $2, $3, $4)" MERGE_CONFLICT,
		4, {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
	};
	EvauditEvent **chosen;
	Datum	   *scratch;
	Datum		values[4];
	uint64		written;

	if (n == 0)
		return 0;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	chosen = palloc(n * sizeof(EvauditEvent *));
	n = choose_winners(events, n, chosen);

	if (n == 1)
	{
		for (int field = 0; field < EVAUDIT_NFIELDS; field++)
			values[field] = PointerGetDatum(chosen[0]->fields[field]);
		values[3] = TimestampTzGetDatum(chosen[0]->event_time);
		written = evaudit_spi_execute(&merge_one, values, NULL);
		SPI_finish();
		return written;
	}
	scratch = palloc(n * sizeof(Datum));
	values[0] = field_array(chosen, n, EVAUDIT_FIELD_USER_ID, scratch);
	values[1] = field_array(chosen, n, EVAUDIT_FIELD_SERVICE_ID, scratch);
	values[2] = field_array(chosen, n, EVAUDIT_FIELD_SERVICE_NAME, scratch);
	values[3] = time_array(chosen, n, scratch);
	written = evaudit_spi_execute(&merge, values, NULL);

	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	return written;
}
