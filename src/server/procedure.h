/*-------------------------------------------------------------------------
 *
 * procedure.h
 *	  Procedures that commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROCEDURE_H
#define EVAUDIT_PROCEDURE_H

#include "fmgr.h"

extern void evaudit_check_nonatomic(FunctionCallInfo fcinfo, const char *name,
									const char *hint);
extern Datum evaudit_row_of_int64(FunctionCallInfo fcinfo, int64 number);

#endif							/* EVAUDIT_PROCEDURE_H */
