/*-------------------------------------------------------------------------
 *
 * foreign_options.h
 *	  Options of foreign servers and user mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_FOREIGN_OPTIONS_H
#define EVAUDIT_FOREIGN_OPTIONS_H

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "server/compat.h"

/* Role whose members may use the server's own credentials, or "". */
extern char *evaudit_ambient_credentials_role;

/*
 * Raises an ERROR if the options of a server or a user mapping are not valid;
 * the files that they name are read with a user's rights.
 */
typedef void (*EvauditCheckOptions) (List *options, bool user_mapping,
									 Oid user);

extern void evaudit_foreign_options_init(void);
extern bool evaudit_may_use_ambient(Oid user);
extern Datum evaudit_validate_options(FunctionCallInfo fcinfo,
									  EvauditCheckOptions check);
extern List *evaudit_server_options(Oid serverid, Oid user,
									EvauditCheckOptions check);
extern DefElem *evaudit_find_option(List *options, const char *name);
extern void evaudit_check_file_option(const char *name, Oid user);
extern void evaudit_check_network_option(const char *name, Oid user);
pg_noreturn extern void evaudit_refuse_value(const char *name,
											 const char *detail);
pg_noreturn extern void evaudit_refuse_missing(const char *name);
pg_noreturn extern void evaudit_refuse_secret(const char *name);
pg_noreturn extern void evaudit_refuse_option(const char *name,
											  bool user_mapping,
											  const char *valid);

#endif							/* EVAUDIT_FOREIGN_OPTIONS_H */
