/*-------------------------------------------------------------------------
 *
 * issuer.h
 *	  Issuers: whose tokens are believed, and by which keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ISSUER_H
#define EVAUDIT_ISSUER_H

#include "nodes/pg_list.h"
#include "crypto/crypto.h"
#include "utils/jsonb.h"

/* Most keys that an issuer can have. */
#define EVAUDIT_MAX_KEYS	64

/* Longest document of keys, in bytes. */
#define EVAUDIT_MAX_KEYS_BYTES	262144

/* The bit of an algorithm in a set of them. */
#define EVAUDIT_ALGORITHM_BIT(algorithm)	((uint32) 1 << (algorithm))

typedef struct EvauditIssuerKey
{
	EvauditKey *key;
	char	   *kid;			/* NULL: it has none */
	uint32		algorithms;		/* it may be used with: a set of bits */
} EvauditIssuerKey;

typedef struct EvauditIssuer
{
	char	   *name;

	/* the options */
	char	   *issuer;			/* what "iss" must be; NULL: anything */
	List	   *audiences;		/* of char *, one of which "aud" must name */
	uint32		algorithms;		/* that are believed: a set of bits */
	double		clock_skew;		/* seconds */
	bool		require_exp;
	char	   *token_url;		/* or NULL */
	char	   *jwks_url;		/* NULL: the keys were given */
	char	   *ca_file;		/* NULL: the system's authorities */
	int			refresh_interval;	/* milliseconds */
	int			refresh_cooldown;	/* likewise */

	/* the keys */
	int			nkeys;
	EvauditIssuerKey *keys;
	bool		has_kids;		/* some key has a kid */
} EvauditIssuer;

/* issuer_options.c */
extern EvauditIssuer *evaudit_issuer_compile(const char *name, Jsonb *options);
extern const char *evaudit_issuer_key_option(Jsonb *options);

/* issuer_keys.c: documents of keys, and keys as evaudit.issuers has them */
extern Jsonb *evaudit_keys_read_json(JsonbContainer *document, bool lenient,
									 uint32 algorithms, char **trouble);
extern Jsonb *evaudit_keys_read_pem(const char *pem, uint32 algorithms,
									char **trouble);
extern void evaudit_keys_load(EvauditIssuer *issuer, Jsonb *keys);

/* issuer.c: all issuers, in the order of their names */
extern List *evaudit_issuers(uint64 *generation);

#endif							/* EVAUDIT_ISSUER_H */
