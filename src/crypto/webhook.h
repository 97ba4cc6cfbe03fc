/*-------------------------------------------------------------------------
 *
 * webhook.h
 *	  Secrets and signatures as Standard Webhooks has them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_WEBHOOK_H
#define EVAUDIT_WEBHOOK_H

#include "lib/stringinfo.h"

/* Bytes of a secret, and how many there may be at a time. */
#define EVAUDIT_WEBHOOK_MIN_SECRET	24
#define EVAUDIT_WEBHOOK_MAX_SECRET	64
#define EVAUDIT_WEBHOOK_SECRETS		4

typedef struct EvauditWebhookSecrets
{
	int			n;
	int			lens[EVAUDIT_WEBHOOK_SECRETS];
	uint8		bytes[EVAUDIT_WEBHOOK_SECRETS][2 * EVAUDIT_WEBHOOK_MAX_SECRET];
} EvauditWebhookSecrets;

extern bool evaudit_webhook_secrets(const char *string,
									EvauditWebhookSecrets *secrets);
extern void evaudit_webhook_sign(const EvauditWebhookSecrets *secrets,
								 const char *id, int64 now,
								 const char *body, size_t len,
								 StringInfo header);

#endif							/* EVAUDIT_WEBHOOK_H */
