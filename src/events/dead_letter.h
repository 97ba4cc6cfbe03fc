/*-------------------------------------------------------------------------
 *
 * dead_letter.h
 *	  Events that could not be used: evaudit.dead_letter_store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DEAD_LETTER_H
#define EVAUDIT_DEAD_LETTER_H

#include "events/event.h"

extern void evaudit_dead_letters_add(const char *owner, Oid owner_oid,
									 const char *source, const char *topic,
									 const EvauditEvent *events, int n,
									 uint64 *added);

#endif							/* EVAUDIT_DEAD_LETTER_H */
