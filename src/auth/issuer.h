/*-------------------------------------------------------------------------
 *
 * issuer.h
 *	  Issuers: whose tokens are accepted, and with which keys.
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

/* Longest options of an issuer without its keys, in bytes of jsonb. */
#define EVAUDIT_MAX_ISSUER_BYTES	65536

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
	char	   *invalid;		/* why its row cannot be used, or NULL: then
								 * but for "issuer" all below is zero */

	/* the options */
	char	   *issuer;			/* what "iss" must be; NULL: anything */
	List	   *audiences;		/* of char *, one of which "aud" must name */
	uint32		algorithms;		/* that are accepted: a set of bits */
	double		clock_skew;		/* seconds */
	bool		numeric_sub;	/* "sub" may be an integer */
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

/* A row of evaudit.issuers as it was read. */
typedef struct EvauditIssuerRow
{
	const char *name;
	NullableDatum options;
	NullableDatum keys;
} EvauditIssuerRow;

/* issuer_row.c */
extern EvauditIssuer *evaudit_issuer_from_row(const EvauditIssuerRow *row);

/* issuer_options.c */
extern EvauditIssuer *evaudit_issuer_compile(const char *name, Jsonb *options);
extern const char *evaudit_issuer_key_option(Jsonb *options);

/* issuer_keys.c: documents of keys, and keys as evaudit.issuers has them */
extern Jsonb *evaudit_keys_read_json(JsonbContainer *document, bool lenient,
									 uint32 algorithms, char **reason);
extern Jsonb *evaudit_keys_read_pem(const char *pem, uint32 algorithms,
									char **reason);
extern Jsonb *evaudit_keys_none(void);
extern void evaudit_keys_load(EvauditIssuer *issuer, Jsonb *keys);

/* issuer.c: all issuers, in the order of their names */
extern List *evaudit_issuers(uint64 *generation);

#endif							/* EVAUDIT_ISSUER_H */
