/*-------------------------------------------------------------------------
 *
 * address.c
 *	  Addresses of clients and proxies: which proxies are trusted, and how many
 *	  clients an address has.
 *
 * Clients of IPv6 are counted by their network of 64 bits, since everybody has
 * one.  Those of a Unix socket and of trusted proxies are not counted.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "buffer.h"
#include "config.h"
#include "log.h"

/* How IPv4 is mapped into IPv6. */
static const unsigned char mapped[12] = {[10] = 0xff,[11] = 0xff};

/* Clients of an address; an entry without any is freed. */
typedef struct Entry
{
	struct Entry *next;
	unsigned char key[16];
	int			clients;
} Entry;

#define NBUCKETS	4096

static Entry *buckets[NBUCKETS];

/* Whether an address is of IPv4. */
static bool
is_ipv4(const Address *address)
{
	return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

/* Take the address of a socket. */
void
address_of_socket(Address *address, const struct sockaddr *from)
{
	memset(address, 0, sizeof(*address));
	if (from != NULL && from->sa_family == AF_INET)
	{
		address->known = true;
		memcpy(address->bytes, mapped, sizeof(mapped));
		memcpy(address->bytes + 12,
			   &((const struct sockaddr_in *) from)->sin_addr, 4);
	}
	else if (from != NULL && from->sa_family == AF_INET6)
	{
		address->known = true;
		memcpy(address->bytes,
			   &((const struct sockaddr_in6 *) from)->sin6_addr, 16);
	}
}

/* Read an address; false if it is none. */
bool
address_parse(Address *address, const char *text)
{
	memset(address, 0, sizeof(*address));
	memcpy(address->bytes, mapped, sizeof(mapped));
	address->known = inet_pton(AF_INET, text, address->bytes + 12) == 1 ||
		inet_pton(AF_INET6, text, address->bytes) == 1;
	return address->known;
}

/* Write an address; "" if it is not known. */
void
address_print(const Address *address, char *text, int size)
{
	text[0] = '\0';
	if (!address->known)
		return;
	if (is_ipv4(address))
		(void) inet_ntop(AF_INET, address->bytes + 12, text, size);
	else
		(void) inet_ntop(AF_INET6, address->bytes, text, size);
}

/* Read a network: an address, and how many bits of it count. */
static bool
parse_network(const char *text, Address *address, int *bits)
{
	char		copy[64];
	char	   *slash;
	char	   *end = "";
	int			max;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	if (!address_parse(address, copy))
		return false;
	max = is_ipv4(address) ? 32 : 128;
	*bits = slash != NULL ? (int) strtol(slash + 1, &end, 10) : max;
	if (*end != '\0' || *bits < 0 || *bits > max)
		return false;
	*bits += 128 - max;
	return true;
}

/* Whether the first bits of two addresses are the same. */
static bool
same_bits(const Address *a, const Address *b, int bits)
{
	int			rest = bits % 8;

	return memcmp(a->bytes, b->bytes, bits / 8) == 0 &&
		(rest == 0 ||
		 (a->bytes[bits / 8] ^ b->bytes[bits / 8]) >> (8 - rest) == 0);
}

/* Whether an address is a trusted proxy's. */
bool
address_is_trusted(const Address *address)
{
	for (int i = 0; i < config.trusted_proxies.n && address->known; i++)
	{
		Address		network;
		int			bits;

		if (parse_network(config.trusted_proxies.values[i], &network, &bits) &&
			same_bits(address, &network, bits))
			return true;
	}
	return false;
}

/* Log what is configured and is no network. */
void
address_check_trusted(void)
{
	for (int i = 0; i < config.trusted_proxies.n; i++)
	{
		Address		network;
		int			bits;

		if (!parse_network(config.trusted_proxies.values[i], &network, &bits))
			log_line(LOG_LEVEL_ERROR, "trusted-proxy \"%s\" is not an address, and is ignored",
					 config.trusted_proxies.values[i]);
	}
}

/* Where the entry of an address is, or would be. */
static Entry **
find_entry(const Address *address, unsigned char *key)
{
	unsigned int hash = 2166136261u;
	Entry	  **link;

	memset(key, 0, 16);
	memcpy(key, address->bytes, is_ipv4(address) ? 16 : 8);
	for (int i = 0; i < 16; i++)
		hash = (hash ^ key[i]) * 16777619u;
	link = &buckets[hash % NBUCKETS];
	while (*link != NULL && memcmp((*link)->key, key, 16) != 0)
		link = &(*link)->next;
	return link;
}

/* How many clients an address has. */
int
address_clients(const Address *address)
{
	unsigned char key[16];
	Entry	   *entry = address->known ? *find_entry(address, key) : NULL;

	return entry != NULL ? entry->clients : 0;
}

/* An address has a client more, or less. */
void
address_count(const Address *address, int by)
{
	unsigned char key[16];
	Entry	  **link;
	Entry	   *entry;

	if (!address->known)
		return;
	link = find_entry(address, key);
	if (*link == NULL)
	{
		*link = xcalloc(1, sizeof(Entry));
		memcpy((*link)->key, key, 16);
	}
	entry = *link;
	entry->clients += by;
	if (entry->clients > 0)
		return;
	*link = entry->next;
	free(entry);
}
