/*-------------------------------------------------------------------------
 *
 * envelope.h
 *	  What a service wraps around an event on its way into a queue.
 *
 *	  raw			nothing: the message's body is the payload
 *	  sns			a notification of SNS
 *	  eventbridge	an event of EventBridge
 *
 * The envelope is a setting of the source and never guessed from the body,
 * which whoever may send to the queue could forge.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ENVELOPE_H
#define EVAUDIT_ENVELOPE_H

#include "events/event.h"
#include "net/http_client.h"
#include "nodes/pg_list.h"

typedef enum EvauditEnvelopeKind
{
	EVAUDIT_ENVELOPE_RAW,
	EVAUDIT_ENVELOPE_SNS,
	EVAUDIT_ENVELOPE_EVENTBRIDGE
} EvauditEnvelopeKind;

typedef struct EvauditEnvelopeOptions
{
	EvauditEnvelopeKind kind;
	List	   *topic_arns;		/* SNS topics that are accepted; NIL: all */
	bool		verify_sns;		/* check signatures */
} EvauditEnvelopeOptions;

/* An opener of envelopes, with the certificates that it has seen. */
typedef struct EvauditEnvelope EvauditEnvelope;

extern EvauditEnvelope *evaudit_envelope_create(const EvauditEnvelopeOptions *options,
												EvauditHttp *http,
												const char *ca_file);

/* The name of a kind, as the option "envelope" has it. */
extern const char *evaudit_envelope_name(EvauditEnvelopeKind kind);

/*
 * Take an event out of its envelope, or reject it; what it is then lives in
 * the current memory context.  Outside a transaction, as a certificate may
 * have to be fetched.  One that was taken out of it before, a dead letter,
 * is checked by what is known of that envelope.  False, with the reason in
 * *error, if that failed: nothing is known of the event then, and it is to
 * be retried later.
 */
extern bool evaudit_envelope_open(EvauditEnvelope *envelope,
								  EvauditEvent *event, const char **error);

#endif							/* EVAUDIT_ENVELOPE_H */
