/*-------------------------------------------------------------------------
 *
 * mask.h
 *	  Values of which the audit keeps a part.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_MASK_H
#define EVAUDIT_MASK_H

#include "utils/jsonb.h"

typedef enum EvauditMaskForm
{
	EVAUDIT_MASK_FIXED,			/* nothing is kept */
	EVAUDIT_MASK_DOMAIN,		/* what is behind the last @ */
	EVAUDIT_MASK_FIRST,			/* so many characters */
	EVAUDIT_MASK_LAST
} EvauditMaskForm;

typedef struct EvauditMask
{
	EvauditMaskForm form;
	int			count;			/* of characters, for FIRST and LAST */
} EvauditMask;

extern bool evaudit_mask_parse(const char *name, EvauditMask *mask);
extern char *evaudit_mask_format(const EvauditMask *mask);
extern void evaudit_mask_apply(const EvauditMask *mask, JsonbValue *value);

#endif							/* EVAUDIT_MASK_H */
