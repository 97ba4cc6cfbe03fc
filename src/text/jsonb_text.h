/*-------------------------------------------------------------------------
 *
 * jsonb_text.h
 *	  A jsonb document as text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSONB_TEXT_H
#define EVAUDIT_JSONB_TEXT_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

extern void evaudit_jsonb_append_text(StringInfo out,
									  const JsonbContainer *container);

#endif							/* EVAUDIT_JSONB_TEXT_H */
