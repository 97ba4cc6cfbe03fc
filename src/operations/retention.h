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
	Jsonb	   *positions;		/* of what is gone through by position */
	Oid			role;			/* who set it; InvalidOid: is no more */
	TimestampTz due;
} EvauditRetention;

/* A place in what a rule goes through, in batches. */
typedef struct EvauditSweep
{
	const EvauditRetention *rule;
	List	   *topics;			/* of EvauditTopicSweep, not gone through yet */
	int64		last_id;		/* in the first of them, or of all */
	struct EvauditAuditSweep *audit;	/* where it is in audit; or NULL */
	uint64		deleted;		/* by the last batch */
	uint64		exported;		/* likewise */
	char	   *file;			/* what to; NULL: nothing */
	const char *waiting;		/* for what a batch did; NULL: nothing */
} EvauditSweep;

/* The events of a topic. */
typedef struct EvauditTopicSweep
{
	char	   *topic;
	Interval	keep;
} EvauditTopicSweep;

/* retention_job.c */
extern const EvauditJobKind evaudit_retention_job;
extern void evaudit_retention_init(void);

/* retention_sweep.c */
extern void evaudit_sweep_begin(EvauditSweep *sweep,
								const EvauditRetention *rule);
extern bool evaudit_sweep_batch(EvauditSweep *sweep);
extern const char *evaudit_sweep_must_wait(const EvauditSweep *sweep);

/* retention_audit.c */
extern void evaudit_sweep_audit_begin(EvauditSweep *sweep);
extern bool evaudit_sweep_audit_batch(EvauditSweep *sweep, int limit);

/* retention_options.c */
extern void evaudit_retention_check_options(const char *what, Jsonb *options);
extern void evaudit_retention_check_age(const char *name,
										const Interval *age);

/* retention_window.c */
extern void evaudit_retention_check_window(const char *what,
										   const Interval *keep);

/* retention_api.c */
extern int64 evaudit_cluster(void);

#endif							/* EVAUDIT_RETENTION_H */
