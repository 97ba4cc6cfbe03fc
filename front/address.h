/*-------------------------------------------------------------------------
 *
 * address.h
 *	  Addresses of clients and proxies.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_ADDRESS_H
#define FRONT_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

/* An address of IPv6; one of IPv4 is mapped into it. */
typedef struct Address
{
	bool		known;			/* a Unix socket has none */
	unsigned char bytes[16];
} Address;

extern void address_of_socket(Address *address, const struct sockaddr *from);
extern bool address_parse(Address *address, const char *text);
extern void address_print(const Address *address, char *text, int size);
extern bool address_is_trusted(const Address *address);
extern void address_check_trusted(void);
extern int	address_clients(const Address *address);
extern void address_count(const Address *address, int by);

#endif							/* FRONT_ADDRESS_H */
