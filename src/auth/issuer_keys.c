/*-------------------------------------------------------------------------
 *
 * issuer_keys.c
 *	  The keys of issuers: read from JWKS, from the gateway's form and from
 *	  PEM, checked, and kept in a form of our own.
 *
 * evaudit.issuers.keys is an array of {"spki", "kid", "alg"}: the key as a
 * SubjectPublicKeyInfo in base64, with what its document said of it.  So no
 * secret that stood in a document beside the public half is kept, and a key
 * that a backend loads was accepted before.
 *
 * As RFC 7517 says, keys of a type, curve, use or algorithm that is not ours
 * are skipped.  One that is ours but cannot be used is an error where a person
 * gave it, and skipped in a document that was fetched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "auth/issuer.h"
#include "text/base64.h"
#include "text/jsonb.h"

/* What is read of a document, on the way to the form that is kept. */
typedef struct Reader
{
	EvauditJsonbState state;
	int			nkeys;
	int			position;		/* of the key that is read, from 1 */
	uint32		algorithms;		/* that the issuer uses */
	uint32		served;			/* those that a key serves */
	const char *why;			/* a key cannot be used, or is not ours */
	bool		foreign;		/* it is not ours: skip it */
} Reader;

/* The bits of the algorithms that a key serves. */
static uint32
served_by(const EvauditKey *key)
{
	uint32		set = 0;

	for (int i = EVAUDIT_FIRST_ALGORITHM; i <= EVAUDIT_LAST_ALGORITHM; i++)
	{
		if (evaudit_key_serves(key, i))
			set |= EVAUDIT_ALGORITHM_BIT(i);
	}
	return set;
}

/* A member that is a string in base64url, as bytes; NULL if it is not. */
static uint8 *
bytes_member(JsonbContainer *object, const char *name, size_t *len)
{
	char	   *str = evaudit_jsonb_text(object, name);
	uint8	   *bytes;
	int			n;

	*len = 0;
	if (str == NULL)
		return NULL;
	bytes = palloc(EVAUDIT_BASE64_BYTES(strlen(str)));
	n = evaudit_base64url_decode(str, strlen(str), bytes);
	if (n <= 0)
		return NULL;
	*len = n;
	return bytes;
}

/* Take a key that was accepted. */
static void
push_key(Reader *reader, const EvauditKey *key, char *kid, char *alg)
{
	size_t		len;
	uint8	   *der = evaudit_key_to_der(key, &len);
	uint32		served = served_by(key);

	if (alg != NULL)
		served &= EVAUDIT_ALGORITHM_BIT(evaudit_algorithm_from_name(alg,
																	strlen(alg)));
	reader->served |= served;
	reader->nkeys++;
	evaudit_compat_jsonb_push(&reader->state, WJB_BEGIN_OBJECT, NULL);
	evaudit_jsonb_push_text(&reader->state, "spki",
							evaudit_base64_encode(der, len));
	if (kid != NULL)
		evaudit_jsonb_push_text(&reader->state, "kid", kid);
	if (alg != NULL)
		evaudit_jsonb_push_text(&reader->state, "alg", alg);
	evaudit_compat_jsonb_push(&reader->state, WJB_END_OBJECT, NULL);
}

/* Skip a key that is not ours. */
static void *
skip_key(Reader *reader)
{
	reader->foreign = true;
	return NULL;
}

/* Whether "use" or "key_ops" keep a key from verifying signatures. */
static bool
is_for_something_else(JsonbContainer *jwk)
{
	char	   *use = evaudit_jsonb_text(jwk, "use");
	JsonbValue	verify = {.type = jbvString};
	JsonbValue *ops;

	if (use != NULL && strcmp(use, "sig") != 0)
		return true;
	ops = evaudit_jsonb_member(jwk, "key_ops");
	if (ops == NULL || ops->type != jbvBinary ||
		!JsonContainerIsArray(ops->val.binary.data))
		return false;
	verify.val.string.val = "verify";
	verify.val.string.len = strlen("verify");
	return findJsonbValueFromContainer(ops->val.binary.data, JB_FARRAY,
									   &verify) == NULL;
}

/* The key of a JWK; NULL if it is not ours, or why it cannot be used. */
static EvauditKey *
read_jwk(Reader *reader, JsonbContainer *jwk)
{
	char	   *kty = evaudit_jsonb_text(jwk, "kty");
	char	   *crv = evaudit_jsonb_text(jwk, "crv");
	size_t		first_len;
	size_t		second_len;
	uint8	   *first;
	uint8	   *second;

	if (is_for_something_else(jwk))
		return skip_key(reader);
	if (strcmp(kty, "RSA") == 0)
	{
		first = bytes_member(jwk, "n", &first_len);
		second = bytes_member(jwk, "e", &second_len);
		reader->why = "its \"n\" or \"e\" is not in base64url";
		if (first == NULL || second == NULL)
			return NULL;
		return evaudit_key_from_rsa(first, first_len, second, second_len,
									&reader->why);
	}
	first = bytes_member(jwk, "x", &first_len);
	if (strcmp(kty, "EC") == 0 && crv != NULL)
	{
		if (strcmp(crv, "P-256") != 0 && strcmp(crv, "P-384") != 0 &&
			strcmp(crv, "P-521") != 0)
			return skip_key(reader);
		second = bytes_member(jwk, "y", &second_len);
		reader->why = "its \"x\" or \"y\" is not in base64url";
		if (first == NULL || second == NULL)
			return NULL;
		return evaudit_key_from_ec(crv, first, first_len, second, second_len,
								   &reader->why);
	}
	if (strcmp(kty, "OKP") == 0 && crv != NULL && strcmp(crv, "Ed25519") == 0)
	{
		reader->why = "its \"x\" is not in base64url";
		if (first == NULL)
			return NULL;
		return evaudit_key_from_ed25519(first, first_len, &reader->why);
	}
	return skip_key(reader);
}

/* The key of the gateway's form: base64 of DER. */
static EvauditKey *
read_der(Reader *reader, const char *str)
{
	size_t		len = strlen(str);
	uint8	   *der = palloc(EVAUDIT_BASE64_BYTES(len));
	int			n = evaudit_base64_decode(str, len, der);

	reader->why = "it is not in base64";
	return n < 0 ? NULL : evaudit_key_from_der(der, n, &reader->why);
}

/* Read one element of a document; false if it cannot be used. */
static bool
read_element(Reader *reader, const JsonbValue *element)
{
	JsonbContainer *object = element->val.binary.data;
	EvauditAlgorithm algorithm = EVAUDIT_ALG_UNKNOWN;
	EvauditKey *key = NULL;
	char	   *alg;
	char	   *der;

	reader->foreign = false;
	reader->why = "it is neither a JWK, with \"kty\", nor an object with \"key\"";
	if (element->type != jbvBinary || !JsonContainerIsObject(object))
		return false;
	alg = evaudit_jsonb_text(object, "alg");
	if (alg != NULL)
		algorithm = evaudit_algorithm_from_name(alg, strlen(alg));
	der = evaudit_jsonb_text(object, "key");
	if (alg != NULL && algorithm == EVAUDIT_ALG_UNKNOWN)
		skip_key(reader);
	else if (evaudit_jsonb_text(object, "kty") != NULL)
		key = read_jwk(reader, object);
	else if (der != NULL)
		key = read_der(reader, der);
	if (key == NULL)
		return reader->foreign;

	reader->why = "its \"alg\" is for keys of another type";
	if (alg != NULL && !evaudit_key_serves(key, algorithm))
		return false;
	push_key(reader, key, evaudit_jsonb_text(object, "kid"), alg);
	return true;
}

/* Complete the keys; NULL if they are of no use, and why. */
static Jsonb *
finish(Reader *reader, char **reason)
{
	evaudit_compat_jsonb_push(&reader->state, WJB_END_ARRAY, NULL);
	if (reader->nkeys == 0)
		*reason = "none of the keys is a public key for signatures, of type RSA, EC or Ed25519";
	else if (reader->nkeys > EVAUDIT_MAX_KEYS)
		*reason = psprintf("there are more than %d keys", EVAUDIT_MAX_KEYS);
	else if ((reader->served & reader->algorithms) == 0)
		*reason = "none of the keys is of the type of an algorithm of the issuer";
	else
		return JsonbValueToJsonb(reader->state.result);
	return NULL;
}

/* An array whose only element is an object. */
static JsonbContainer *
array_of_one(JsonbContainer *object)
{
	EvauditJsonbState state = {0};
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	v;

	evaudit_compat_jsonb_push(&state, WJB_BEGIN_ARRAY, NULL);
	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
		evaudit_compat_jsonb_push(&state, token,
								  token < WJB_BEGIN_ARRAY ? &v : NULL);
	evaudit_compat_jsonb_push(&state, WJB_END_ARRAY, NULL);
	return &JsonbValueToJsonb(state.result)->root;
}

/*
 * The array of keys in a document: itself, its member "keys", or one with the
 * document, if that is a key of the gateway's form.
 */
static JsonbContainer *
key_array(JsonbContainer *document)
{
	JsonbValue *keys;

	if (JsonContainerIsArray(document) && !JsonContainerIsScalar(document))
		return document;
	if (!JsonContainerIsObject(document))
		return NULL;
	keys = evaudit_jsonb_member(document, "keys");
	if (keys == NULL && evaudit_jsonb_text(document, "key") != NULL)
		return array_of_one(document);
	if (keys == NULL || keys->type != jbvBinary ||
		!JsonContainerIsArray(keys->val.binary.data))
		return NULL;
	return keys->val.binary.data;
}

/*
 * Read a JWKS or a document of the gateway's form: what evaudit.issuers
 * keeps of it, or NULL and what is wrong.
 */
Jsonb *
evaudit_keys_read_json(JsonbContainer *document, bool lenient,
					   uint32 algorithms, char **reason)
{
	JsonbContainer *keys = key_array(document);
	Reader		reader = {.algorithms = algorithms};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	*reason = "it is not an object with an array \"keys\"";
	if (keys == NULL)
		return NULL;
	evaudit_compat_jsonb_push(&reader.state, WJB_BEGIN_ARRAY, NULL);
	it = JsonbIteratorInit(keys);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		reader.position++;
		if (reader.nkeys <= EVAUDIT_MAX_KEYS &&
			!read_element(&reader, &v) && !lenient)
		{
			*reason = psprintf("key %d: %s", reader.position, reader.why);
			return NULL;
		}
	}
	return finish(&reader, reason);
}

/* Read one or several keys or certificates in PEM, likewise. */
Jsonb *
evaudit_keys_read_pem(const char *pem, uint32 algorithms, char **reason)
{
	Reader		reader = {.algorithms = algorithms};

	evaudit_compat_jsonb_push(&reader.state, WJB_BEGIN_ARRAY, NULL);
	while (reader.nkeys <= EVAUDIT_MAX_KEYS)
	{
		EvauditKey *key = evaudit_key_from_pem(&pem, &reader.why);

		if (key == NULL && (pem != NULL || reader.nkeys == 0))
		{
			*reason = psprintf("key %d: %s", reader.nkeys + 1, reader.why);
			return NULL;
		}
		if (key == NULL)
			break;
		push_key(&reader, key, NULL, NULL);
	}
	return finish(&reader, reason);
}

/* The keys of an issuer that has none yet, as evaudit.issuers has them. */
Jsonb *
evaudit_keys_none(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum("[]")));
}

/* Load keys, as evaudit.issuers has them, in the current context. */
void
evaudit_keys_load(EvauditIssuer *issuer, Jsonb *keys)
{
	Reader		reader = {0};
	JsonbIterator *it = JsonbIteratorInit(&keys->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	issuer->keys = palloc0(EVAUDIT_MAX_KEYS * sizeof(EvauditIssuerKey));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		EvauditIssuerKey *key = &issuer->keys[issuer->nkeys];
		char	   *spki;
		char	   *alg;

		if (token != WJB_ELEM || v.type != jbvBinary ||
			issuer->nkeys >= EVAUDIT_MAX_KEYS)
			continue;
		spki = evaudit_jsonb_text(v.val.binary.data, "spki");
		key->key = spki != NULL ? read_der(&reader, spki) : NULL;
		if (key->key == NULL)
			continue;
		key->kid = evaudit_jsonb_text(v.val.binary.data, "kid");
		key->algorithms = served_by(key->key);
		alg = evaudit_jsonb_text(v.val.binary.data, "alg");
		if (alg != NULL)
			key->algorithms &=
				EVAUDIT_ALGORITHM_BIT(evaudit_algorithm_from_name(alg,
																  strlen(alg)));
		issuer->has_kids |= key->kid != NULL;
		issuer->nkeys++;
	}
}
