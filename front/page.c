/*-------------------------------------------------------------------------
 *
 * page.c
 *	  The page of the admin listener, and what it shows.
 *
 * The page asks for /status: one JSON document with the state of now, as the
 * role of --metrics-database may see it, and samples of what was before.  Each
 * process keeps these itself, in a ring of bounded size, so that they begin
 * with it.  Of dead letters it shows ids and reasons, and no payload.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "page.h"

/* How many samples are kept, an hour's by default, and the most bytes of one. */
#define SAMPLES				120
#define MAX_SAMPLE_BYTES	16384

/* front/page.html, as the Makefile makes a string of it. */
const char	page_html[] =
#include "page_html.h"
		   ;

/* Dead letters are counted up to 10,000: a look must not read them all. */
const char	page_status_query[] =
"SELECT pg_catalog.json_build_object("
" 'database', pg_catalog.current_database(),"
" 'alerts', (SELECT pg_catalog.json_agg(a ORDER BY a.since, a.name) FROM"
"  (SELECT name, subject, severity, since, detail, hint"
"   FROM evaudit.alerts ORDER BY since, name LIMIT 100) a),"
" 'sources', (SELECT pg_catalog.json_agg(s ORDER BY s.name) FROM"
"  (SELECT s.name, s.kind, s.state, s.received, s.merged, s.dead_lettered,"
"    s.last_received_at, s.last_error, s.next_retry_at, p.lag, p.lag_seconds"
"   FROM evaudit.stat_sources s LEFT JOIN"
"    (SELECT source, pg_catalog.sum(lag) AS lag,"
"      pg_catalog.max(lag_seconds) AS lag_seconds"
"     FROM evaudit.stat_partitions GROUP BY source) p ON p.source = s.name) s),"
" 'sinks', (SELECT pg_catalog.json_agg(s ORDER BY s.name) FROM"
"  (SELECT name, kind, state, delivered, pending, parked, blocked_keys,"
"    oldest_pending_at, last_error, next_retry_at"
"   FROM evaudit.stat_sinks) s),"
" 'dead_letters', (SELECT pg_catalog.json_agg(d) FROM"
"  (SELECT source, topic, reason, pg_catalog.count(*) AS count,"
"    pg_catalog.max(received_at) AS last_received_at,"
"    (pg_catalog.array_agg(id ORDER BY id DESC))[1:3] AS examples"
"   FROM (SELECT * FROM evaudit.dead_letters WHERE redriven_at IS NULL"
"     ORDER BY id DESC LIMIT 10000) l"
"   GROUP BY source, topic, reason ORDER BY count(*) DESC LIMIT 100) d),"
" 'sizes', (SELECT pg_catalog.json_agg(z) FROM"
"  (SELECT c.oid::pg_catalog.regclass AS name,"
"    COALESCE((SELECT pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relid))"
"      FROM pg_catalog.pg_partition_tree(c.oid) t),"
"     pg_catalog.pg_total_relation_size(c.oid)) AS bytes,"
"    GREATEST(1, (SELECT pg_catalog.count(*) FILTER (WHERE t.isleaf)"
"     FROM pg_catalog.pg_partition_tree(c.oid) t)) AS parts"
"   FROM pg_catalog.pg_extension e"
"   JOIN pg_catalog.pg_depend d ON d.refobjid = e.oid AND d.deptype = 'e'"
"    AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
"    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
"   JOIN pg_catalog.pg_class c ON c.oid = d.objid"
"    AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
"   WHERE e.extname = 'evaudit' ORDER BY 2 DESC NULLS LAST LIMIT 12) z))";

const char	page_sample_query[] =
"SELECT pg_catalog.json_build_object("
" 'sources', (SELECT pg_catalog.json_object_agg(s.name,"
"   pg_catalog.json_build_array(s.received, s.dead_lettered, p.lag_seconds))"
"  FROM (SELECT * FROM evaudit.stat_sources ORDER BY name LIMIT 100) s LEFT JOIN"
"   (SELECT source, pg_catalog.max(lag_seconds) AS lag_seconds"
"    FROM evaudit.stat_partitions GROUP BY source) p ON p.source = s.name),"
" 'sinks', (SELECT pg_catalog.json_object_agg(s.name,"
"   pg_catalog.json_build_array(s.delivered, s.parked, s.pending))"
"  FROM (SELECT * FROM evaudit.stat_sinks ORDER BY name LIMIT 100) s))";

static char *samples[SAMPLES];	/* JSON; NULL: none, or not to be had */
static int	next = 0;			/* where the next one goes */

/* Keep a sample; one that is too large leaves a gap. */
void
page_add_sample(const char *sample)
{
	free(samples[next]);
	samples[next] = sample != NULL && strlen(sample) <= MAX_SAMPLE_BYTES ?
		xstrdup(sample) : NULL;
	next = (next + 1) % SAMPLES;
}

/* Write the document of a status; NULL stands for one that was not to be had. */
void
page_put_status(Buffer *json, const char *status)
{
	char		interval[32];

	snprintf(interval, sizeof(interval), "%d", config.sample_interval);
	buffer_puts(json, "{\"interval\":");
	buffer_puts(json, interval);
	buffer_puts(json, ",\"now\":");
	buffer_puts(json, status != NULL ? status : "null");
	buffer_puts(json, ",\"samples\":[");
	for (int i = 0; i < SAMPLES; i++)
	{
		const char *sample = samples[(next + i) % SAMPLES];

		buffer_puts(json, i > 0 ? "," : "");
		buffer_puts(json, sample != NULL ? sample : "null");
	}
	buffer_puts(json, "]}");
}
