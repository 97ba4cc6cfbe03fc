/*-------------------------------------------------------------------------
 *
 * address.c
 *	  Which addresses of the Internet are public.
 *
 * Those that IANA's registries of special-purpose addresses do not reserve: no
 * loopback, link-local, private, shared, documentation, multicast or future
 * ones.  An address of IPv6 that leads to one of IPv4 is as public as that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/address.h"

/* Networks of IPv4 that are not public. */
static const struct
{
	uint8		network[4];
	int			bits;
}			reserved4[] = {
	{{0, 0, 0, 0}, 8},			/* this network */
	{{10, 0, 0, 0}, 8},			/* private */
	{{100, 64, 0, 0}, 10},		/* shared with a carrier */
	{{127, 0, 0, 0}, 8},		/* loopback */
	{{169, 254, 0, 0}, 16},		/* link-local, metadata of clouds */
	{{172, 16, 0, 0}, 12},		/* private */
	{{192, 0, 0, 0}, 24},		/* protocol assignments */
	{{192, 0, 2, 0}, 24},		/* documentation */
	{{192, 88, 99, 0}, 24},		/* relays of 6to4 */
	{{192, 168, 0, 0}, 16},		/* private */
	{{198, 18, 0, 0}, 15},		/* benchmarks */
	{{198, 51, 100, 0}, 24},	/* documentation */
	{{203, 0, 113, 0}, 24},		/* documentation */
	{{224, 0, 0, 0}, 3},		/* multicast, future, broadcast */
};

/* Networks of IPv6 within 2000::/3 that are not public. */
static const struct
{
	uint8		network[4];
	int			bits;
}			reserved6[] = {
	{{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments, Teredo */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
	{{0x3f, 0xff, 0x00, 0x00}, 20}, /* documentation */
};

/* Whether the first bits of two addresses are the same. */
static bool
in_network(const uint8 *address, const uint8 *network, int bits)
{
	int			bytes = bits / 8;
	int			mask = 0xff << (8 - bits % 8) & 0xff;

	return memcmp(address, network, bytes) == 0 &&
		(bits % 8 == 0 || (address[bytes] & mask) == network[bytes]);
}

/* Whether an address of IPv4 is public. */
static bool
is_public4(const uint8 *address)
{
	for (int i = 0; i < lengthof(reserved4); i++)
	{
		if (in_network(address, reserved4[i].network, reserved4[i].bits))
			return false;
	}
	return true;
}

/* Whether an address of IPv6 is public. */
static bool
is_public6(const uint8 *address)
{
	static const uint8 mapped[12] = {[10] = 0xff,[11] = 0xff};
	static const uint8 translated[12] = {0x00, 0x64, 0xff, 0x9b};

	if (in_network(address, mapped, 96) || in_network(address, translated, 96))
		return is_public4(address + 12);
	if (address[0] == 0x20 && address[1] == 0x02)	/* 6to4 */
		return is_public4(address + 2);
	for (int i = 0; i < lengthof(reserved6); i++)
	{
		if (in_network(address, reserved6[i].network, reserved6[i].bits))
			return false;
	}
	return (address[0] & 0xe0) == 0x20;
}

/* Whether an address is public; those of other families are not. */
bool
evaudit_address_is_public(const struct sockaddr *address)
{
	switch (address->sa_family)
	{
		case AF_INET:
			return is_public4((const uint8 *) &((const struct sockaddr_in *) address)->sin_addr);
		case AF_INET6:
			return is_public6((const uint8 *) &((const struct sockaddr_in6 *) address)->sin6_addr);
		default:
			return false;
	}
}
