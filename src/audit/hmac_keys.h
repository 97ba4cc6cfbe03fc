/*-------------------------------------------------------------------------
 *
 * hmac_keys.h
 *	  Keys that values are authenticated by instead of being shown.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HMAC_KEYS_H
#define EVAUDIT_HMAC_KEYS_H

#include "utils/jsonb.h"

extern void evaudit_hmac_init(void);
extern void evaudit_hmac_check(void);
extern void evaudit_hmac_apply(JsonbValue *value);

#endif							/* EVAUDIT_HMAC_KEYS_H */
