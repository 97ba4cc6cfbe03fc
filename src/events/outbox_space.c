/*-------------------------------------------------------------------------
 *
 * outbox_space.c
 *	  How large the outbox may become, and what happens then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/namespace.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "events/outbox_space.h"
#include "runtime/wakeup.h"

/*
 * Milliseconds, and rows, for which a backend takes it that the outbox has not
 * grown.
 */
#define CHECK_INTERVAL	1000
#define CHECK_ROWS		64

/* Bytes from which on another partition is written to. */
#define MAX_SWITCH_BYTES	(64 * 1024 * 1024)

/* Likewise, as a part of what the outbox may hold. */
#define SWITCH_SHARE		8

int			evaudit_outbox_max_size = 10 * 1024 * 1024;
int			evaudit_outbox_policy = EVAUDIT_OUTBOX_DETACH;

static const struct config_enum_entry policies[] = {
	{"detach", EVAUDIT_OUTBOX_DETACH, false},
	{"block", EVAUDIT_OUTBOX_BLOCK, false},
	{NULL, 0, false}
};

/* Define the settings. */
void
evaudit_outbox_define_settings(void)
{
	DefineCustomIntVariable("evaudit.outbox_max_size",
							"Disk space that events on their way to sinks may take.",
							NULL,
							&evaudit_outbox_max_size, 10 * 1024 * 1024,
							1024, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomEnumVariable("evaudit.outbox_policy",
							 "What happens when events on their way to sinks take too much space.",
							 "detach: the slowest sink stops; block: publishers get an error.",
							 &evaudit_outbox_policy, EVAUDIT_OUTBOX_DETACH,
							 policies, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* A partition of the outbox; an ERROR if it is not there. */
Oid
evaudit_outbox_part(int part)
{
	char		name[NAMEDATALEN];
	Oid			relid;

	snprintf(name, sizeof(name), "outbox_%d", part);
	relid = get_relname_relid(name, get_namespace_oid("evaudit", false));
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"evaudit.%s\" does not exist", name)));
	return relid;
}

/* Bytes of a partition, with its indexes. */
static int64
part_bytes(int part)
{
	Oid			relid = evaudit_outbox_part(part);

	return DatumGetInt64(DirectFunctionCall1(pg_total_relation_size,
											 ObjectIdGetDatum(relid)));
}

/* Whether a partition is so large that another one is to be written to. */
bool
evaudit_outbox_part_is_large(int part)
{
	int64		limit = Min((int64) evaudit_outbox_max_size * 1024 /
							SWITCH_SHARE, MAX_SWITCH_BYTES);

	return part_bytes(part) >= limit;
}

/* Whether the outbox has reached its limit. */
bool
evaudit_outbox_is_full(void)
{
	int64		bytes = 0;

	for (int part = 0; part < EVAUDIT_OUTBOX_PARTS; part++)
		bytes += part_bytes(part);
	return bytes >= (int64) evaudit_outbox_max_size * 1024;
}

/*
 * Before a row is written to a partition: have it looked after if it is large,
 * and raise an ERROR if the outbox is full and publishers are to be told.
 */
void
evaudit_outbox_check_space(int part, TimestampTz now)
{
	static TimestampTz checked_at = 0;
	static int	rows = 0;

	if (++rows < CHECK_ROWS &&
		!TimestampDifferenceExceeds(checked_at, now, CHECK_INTERVAL))
		return;
	if (evaudit_outbox_part_is_large(part))
		evaudit_request_job(&evaudit_outbox_job);
	if (evaudit_outbox_policy == EVAUDIT_OUTBOX_BLOCK &&
		evaudit_outbox_is_full())
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the outbox has reached evaudit.outbox_max_size, %d kB",
						evaudit_outbox_max_size),
				 errdetail("A sink has not sent the events that are in it."),
				 errhint("evaudit.stat_sinks shows which one, and why.")));
	checked_at = now;
	rows = 0;
}
