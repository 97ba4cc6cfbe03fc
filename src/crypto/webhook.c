/*-------------------------------------------------------------------------
 *
 * webhook.c
 *	  Secrets and signatures as Standard Webhooks has them.
 *
 * A secret is "whsec_" and its bytes in base64.  While one takes the place of
 * another there are several, and a signature by each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "crypto/digest.h"
#include "crypto/webhook.h"
#include "text/base64.h"

static const char prefix[] = "whsec_";

/* Longest secret as it is written, after its prefix. */
#define MAX_DIGITS			((EVAUDIT_WEBHOOK_MAX_SECRET + 2) / 3 * 4)

/* Read secrets with spaces between them; false if they cannot be. */
bool
evaudit_webhook_secrets(const char *string, EvauditWebhookSecrets *secrets)
{
	for (secrets->n = 0; *string != '\0'; secrets->n++)
	{
		size_t		len = strcspn(string, " ");
		int			n = secrets->n;

		if (n == EVAUDIT_WEBHOOK_SECRETS ||
			strncmp(string, prefix, strlen(prefix)) != 0 ||
			len > strlen(prefix) + MAX_DIGITS)
			return false;
		secrets->lens[n] = evaudit_base64_decode(string + strlen(prefix),
												 len - strlen(prefix),
												 secrets->bytes[n]);
		if (secrets->lens[n] < EVAUDIT_WEBHOOK_MIN_SECRET ||
			secrets->lens[n] > EVAUDIT_WEBHOOK_MAX_SECRET)
			return false;
		string += len;
		string += strspn(string, " ");
	}
	return secrets->n > 0;
}

/* Append the signatures of a message, with spaces between them. */
void
evaudit_webhook_sign(const EvauditWebhookSecrets *secrets, const char *id,
					 int64 now, const char *body, size_t len,
					 StringInfo header)
{
	uint8		digest[EVAUDIT_SHA256_BYTES];
	StringInfoData content;

	initStringInfo(&content);
	appendStringInfo(&content, "%s.%lld.", id, (long long) now);
	appendBinaryStringInfo(&content, body, len);
	for (int i = 0; i < secrets->n; i++)
	{
		evaudit_hmac_sha256(secrets->bytes[i], secrets->lens[i],
							content.data, content.len, digest);
		appendStringInfo(header, "%sv1,%s", i > 0 ? " " : "",
						 evaudit_base64_encode(digest, sizeof(digest)));
	}
	pfree(content.data);
}
