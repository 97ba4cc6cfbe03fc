/*-------------------------------------------------------------------------
 *
 * document.h
 *	  The payload of an event as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DOCUMENT_H
#define EVAUDIT_DOCUMENT_H

#include "events/payload.h"

/*
 * Most bytes of a payload that is made into a document: jsonb of the longest
 * arrays of the shortest elements takes seven times as much, and ends at
 * 256 MB.
 */
#define EVAUDIT_MAX_DOCUMENT_BYTES	(32 * 1024 * 1024)

extern bool evaudit_document_read(EvauditEvent *event,
								  const EvauditPayload *payload);

#endif							/* EVAUDIT_DOCUMENT_H */
