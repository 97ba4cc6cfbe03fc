/*-------------------------------------------------------------------------
 *
 * sns_signature.h
 *	  Whether a notification was signed by SNS.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SNS_SIGNATURE_H
#define EVAUDIT_SNS_SIGNATURE_H

#include "events/event.h"
#include "net/http_client.h"
#include "text/json.h"

typedef struct EvauditSnsVerifier EvauditSnsVerifier;

extern EvauditSnsVerifier *evaudit_sns_verifier_create(EvauditHttp *http,
													   const char *ca_file);

/*
 * Check a notification; a bad one rejects the event.  False, with the reason
 * in *error, if its certificate cannot be had now.
 */
extern bool evaudit_sns_verify(EvauditSnsVerifier *verifier,
							   const EvauditJson *notification,
							   EvauditEvent *event, const char **error);

/* sns_certificate.c: the result of a fetch. */
typedef enum EvauditSnsCertificate
{
	EVAUDIT_SNS_FOUND,
	EVAUDIT_SNS_REFUSED,		/* the URL is not one of SNS, or leads nowhere */
	EVAUDIT_SNS_UNKNOWN			/* the network or the server failed */
} EvauditSnsCertificate;

extern EvauditSnsCertificate evaudit_sns_certificate(EvauditSnsVerifier *verifier,
													 const char *url,
													 const char **pem);

#endif							/* EVAUDIT_SNS_SIGNATURE_H */
