/*-------------------------------------------------------------------------
 *
 * address.h
 *	  Which addresses of the Internet are public.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ADDRESS_H
#define EVAUDIT_ADDRESS_H

struct sockaddr;

extern bool evaudit_address_is_public(const struct sockaddr *address);

#endif							/* EVAUDIT_ADDRESS_H */
