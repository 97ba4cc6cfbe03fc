/*-------------------------------------------------------------------------
 *
 * row_id.c
 *	  The id of an audit row: a version 4 uuid that is cheap to index.
 *
 * An index on wholly random uuids takes a random page for every row, reads
 * it once the index outgrows memory, and writes it whole to the WAL after
 * each checkpoint.  Here the first 48 bits are random for a run of 4,096 ids
 * of one backend, the 12 after the version count within the run, and the last
 * 62 are random for every id.  So a backend's rows stand side by side in the
 * index, backends keep out of each other's way, and an id has still 62 bits
 * that nobody can guess, beside the 48 that set runs apart.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/row_id.h"

#define RUN_BYTES	6			/* random, once for a run */
#define RUN_LENGTH	4096		/* ids in a run: 12 bits */
#define TAIL_BYTES	8			/* random, for every id */
#define POOL_IDS	128			/* tails fetched at a time */

/* Fill buf from the system's generator, or fail. */
static void
fetch_random(unsigned char *buf, size_t len)
{
	if (!pg_strong_random(buf, len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
}

/* Make the next id. */
void
evaudit_row_id(pg_uuid_t *id)
{
	static unsigned char run[RUN_BYTES];
	static unsigned char pool[POOL_IDS][TAIL_BYTES];
	static unsigned counter = 0;

	if (counter % RUN_LENGTH == 0)
		fetch_random(run, sizeof(run));
	if (counter % POOL_IDS == 0)
		fetch_random(pool[0], sizeof(pool));

	memcpy(id->data, run, RUN_BYTES);
	id->data[6] = 0x40 | ((counter >> 8) & 0x0f);
	id->data[7] = counter & 0xff;
	memcpy(id->data + 8, pool[counter % POOL_IDS], TAIL_BYTES);
	id->data[8] = 0x80 | (id->data[8] & 0x3f);
	counter++;
}
