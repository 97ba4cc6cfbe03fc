/*-------------------------------------------------------------------------
 *
 * retention.h
 *	  How long what is kept is kept: rules, and the job that deletes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_RETENTION_H
#define EVAUDIT_RETENTION_H

#include "runtime/job.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* Before the name of a topic. */
#define EVAUDIT_EVENTS_OF	"events."

/* A rule, as it is stored. */
typedef struct EvauditRetention
{
	char	   *what;
	Interval	keep;
	Jsonb	   *options;
	TimestampTz due;
} EvauditRetention;

/* A place in what a rule goes through, in batches. */
typedef struct EvauditSweep
{
	const EvauditRetention *rule;
	List	   *topics;			/* of EvauditTopicSweep, not gone through yet */
	int64		last_id;		/* in the first of them, or of all */
	bool		rest_done;		/* of audit: what is in no segment */
	uint64		deleted;		/* by the last batch */
	const char *waiting;		/* for what the last one did; NULL: nothing */
} EvauditSweep;

/* The events of a topic. */
typedef struct EvauditTopicSweep
{
	char	   *topic;
	Interval	keep;
} EvauditTopicSweep;

/* retention_job.c */
extern const EvauditJobKind evaudit_retention_job;
extern void evaudit_operations_init(void);

/* retention_sweep.c */
extern void evaudit_sweep_begin(EvauditSweep *sweep,
								const EvauditRetention *rule);
extern bool evaudit_sweep_batch(EvauditSweep *sweep);
extern const char *evaudit_sweep_must_wait(const EvauditSweep *sweep);

/* retention_api.c */
extern int64 evaudit_cluster(void);

#endif							/* EVAUDIT_RETENTION_H */
