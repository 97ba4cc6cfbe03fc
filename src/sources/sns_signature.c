/*-------------------------------------------------------------------------
 *
 * sns_signature.c
 *	  Checking the signatures of SNS.
 *
 * Signed is a text of the names and values of some members, each on a line
 * of its own; attributes are not among them.  Version 1 signs its SHA-1,
 * version 2 its SHA-256.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"

#include "crypto/crypto.h"
#include "sources/sns_signature.h"

/* The text that is signed; false if a member is missing. */
static bool
signed_text(const EvauditJson *notification, StringInfo str)
{
	static const char *const members[] = {
		"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"
	};

	initStringInfo(str);
	for (int i = 0; i < lengthof(members); i++)
	{
		const char *value = evaudit_json_string(notification, members[i]);

		if (value != NULL)
			appendStringInfo(str, "%s\n%s\n", members[i], value);
		else if (strcmp(members[i], "Subject") != 0)
			return false;
	}
	return true;
}

/* How the notification says that it is signed. */
static EvauditAlgorithm
signature_algorithm(const EvauditJson *notification)
{
	const char *version = evaudit_json_string(notification,
											  "SignatureVersion");

	if (version != NULL && strcmp(version, "1") == 0)
		return EVAUDIT_ALG_RS1;
	if (version != NULL && strcmp(version, "2") == 0)
		return EVAUDIT_ALG_RS256;
	return EVAUDIT_ALG_UNKNOWN;
}

/* The bytes of the signature; their number, or -1 if it is none. */
static int
read_signature(const EvauditJson *notification, uint8 *signature)
{
	const char *base64 = evaudit_json_string(notification, "Signature");

	if (base64 == NULL || strlen(base64) > EVAUDIT_MAX_SIGNATURE_BYTES)
		return -1;
	/* 18 has another type for bytes */
	return pg_b64_decode(base64, (int) strlen(base64), (void *) signature,
						 EVAUDIT_MAX_SIGNATURE_BYTES);
}

/* See the header. */
bool
evaudit_sns_verify(EvauditSnsVerifier *verifier,
				   const EvauditJson *notification,
				   EvauditEvent *event, const char **error)
{
	const char *url = evaudit_json_string(notification, "SigningCertURL");
	EvauditAlgorithm algorithm = signature_algorithm(notification);
	uint8		signature[EVAUDIT_MAX_SIGNATURE_BYTES];
	int			signature_len = read_signature(notification, signature);
	StringInfoData str;
	const char *pem;
	const char *fault;

	if (algorithm == EVAUDIT_ALG_UNKNOWN || signature_len <= 0 ||
		url == NULL || !signed_text(notification, &str))
	{
		evaudit_event_reject(event, EVAUDIT_BAD_SIGNATURE,
							 "notification of SNS is not signed");
		return true;
	}
	switch (evaudit_sns_certificate(verifier, url, &pem))
	{
		case EVAUDIT_SNS_FOUND:
			break;
		case EVAUDIT_SNS_REFUSED:
			evaudit_event_reject(event, EVAUDIT_BAD_SIGNATURE,
								 "SigningCertURL does not lead to a certificate of SNS");
			return true;
		case EVAUDIT_SNS_UNKNOWN:
			*error = "could not fetch the certificate that a notification of SNS is signed with";
			return false;
	}
	fault = evaudit_crypto_verify_x509(pem, strlen(pem), algorithm,
									   str.data, str.len,
									   signature, signature_len);
	if (fault != NULL)
		evaudit_event_reject(event, EVAUDIT_BAD_SIGNATURE,
							 "signature of SNS is not good: %s", fault);
	return true;
}
