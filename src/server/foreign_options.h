/*-------------------------------------------------------------------------
 *
 * foreign_options.h
 *	  Options of foreign servers and user mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_FOREIGN_OPTIONS_H
#define EVAUDIT_FOREIGN_OPTIONS_H

#include "nodes/pg_list.h"
#include "server/compat.h"

extern List *evaudit_server_options(const char *server, Oid user);
extern void evaudit_check_server_usage(const char *name);
extern void evaudit_check_file_option(const char *name);
pg_noreturn extern void evaudit_refuse_secret(const char *name);

#endif							/* EVAUDIT_FOREIGN_OPTIONS_H */
