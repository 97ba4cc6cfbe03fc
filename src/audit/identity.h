/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  What tracked tables and their columns are and were called.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_IDENTITY_H
#define EVAUDIT_IDENTITY_H

#include "utils/uuid.h"

extern bool evaudit_identity_known(Oid relid);
extern bool evaudit_identity_find(Oid relid, pg_uuid_t *id, bool *by_name);
extern Oid	evaudit_identity_relid(void);
extern void evaudit_identity_begin(Oid relid, int64 first_seq);
extern void evaudit_identity_end(Oid relid, int64 last_seq);
extern void evaudit_identity_rename(void);
extern bool evaudit_identity_restored(Oid relid);
extern bool evaudit_identity_adopt(Oid relid, bool insert);

#endif							/* EVAUDIT_IDENTITY_H */
