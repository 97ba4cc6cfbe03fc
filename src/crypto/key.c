/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Public keys: made from what JWK, DER and PEM have, and checked.
 *
 * OpenSSL's objects hang on a callback of the memory context that the key is
 * in.  Errors of OpenSSL are removed from its queue, where the server would
 * take them for errors of its own connections.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "utils/memutils.h"

#include "crypto/key.h"

/*
 * Sizes of RSA keys.  Below, a signature can be forged; above, each costs
 * more than it is worth, as does a large public exponent.
 */
#define MIN_RSA_BITS		2048
#define MAX_RSA_BITS		8192
#define MAX_RSA_E_BITS		64

/* The curves: what RFC 7518 and what OpenSSL calls them. */
static const struct
{
	const char *name;
	const char *group;
	size_t		bytes;
	EvauditKeyType type;
}			curves[] =

{
	{"P-256", "prime256v1", 32, EVAUDIT_KEY_P256},
	{"P-384", "secp384r1", 48, EVAUDIT_KEY_P384},
	{"P-521", "secp521r1", 66, EVAUDIT_KEY_P521},
};

/* Callback of the memory context: the key goes. */
static void
release_key(void *arg)
{
	EvauditKey *key = arg;

	EVP_PKEY_CTX_free(key->verifier);
	EVP_PKEY_free(key->pkey);
}

/* A key that holds nothing yet, and will release what it is given. */
static EvauditKey *
new_key(void)
{
	EvauditKey *key = palloc0(sizeof(EvauditKey));

	key->release.func = release_key;
	key->release.arg = key;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &key->release);
	return key;
}

/* Check modulus and exponent of an RSA key. */
static bool
check_rsa(EVP_PKEY *pkey, const char **why)
{
	int			bits = EVP_PKEY_get_bits(pkey);
	BIGNUM	   *n = NULL;
	BIGNUM	   *e = NULL;

	*why = NULL;
	if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) ||
		!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e))
		*why = "it is not a complete RSA key";
	else if (bits < MIN_RSA_BITS)
		*why = "an RSA key must have 2048 bits or more";
	else if (bits > MAX_RSA_BITS)
		*why = "an RSA key must not have more than 8192 bits";
	else if (!BN_is_odd(n))
		*why = "the modulus of an RSA key must be odd";
	else if (!BN_is_odd(e) || BN_is_one(e) || BN_is_negative(e) ||
			 BN_num_bits(e) > MAX_RSA_E_BITS)
		*why = "the exponent of an RSA key must be odd, from 3 to 64 bits";
	BN_free(n);
	BN_free(e);
	return *why == NULL;
}

/* Find the curve of an EC key, which must be a named one. */
static bool
check_ec(EvauditKey *key, const char **why)
{
	char		group[64];
	size_t		len;
	int			is_explicit = 0;

	(void) EVP_PKEY_get_int_param(key->pkey,
								  OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
								  &is_explicit);
	if (!is_explicit &&
		EVP_PKEY_get_group_name(key->pkey, group, sizeof(group), &len))
	{
		for (int i = 0; i < lengthof(curves); i++)
		{
			if (strcmp(curves[i].group, group) == 0)
			{
				key->type = curves[i].type;
				return true;
			}
		}
	}
	*why = "its curve is none of P-256, P-384 and P-521";
	return false;
}

/* Check a key that was read from somewhere, and find its type. */
static bool
check_key(EvauditKey *key, const char **why)
{
	if (EVP_PKEY_is_a(key->pkey, "RSA"))
	{
		key->type = EVAUDIT_KEY_RSA;
		return check_rsa(key->pkey, why);
	}
	if (EVP_PKEY_is_a(key->pkey, "EC"))
		return check_ec(key, why);
	if (EVP_PKEY_is_a(key->pkey, "ED25519"))
	{
		key->type = EVAUDIT_KEY_ED25519;
		return true;
	}
	*why = "its type is none of RSA, EC and Ed25519";
	return false;
}

/*
 * Complete a key with what OpenSSL made, NULL if it could not; the errors it
 * left since the mark was set are dropped.
 */
static EvauditKey *
finish_key(EvauditKey *key, EVP_PKEY *pkey, const char **why)
{
	bool		good;

	key->pkey = pkey;
	good = pkey != NULL && check_key(key, why);
	ERR_pop_to_mark();
	return good ? key : NULL;
}

/* Make a key of a type from parameters. */
static EVP_PKEY *
pkey_from_params(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY   *pkey = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

/* Make an RSA key of its modulus and exponent. */
EvauditKey *
evaudit_key_from_rsa(const uint8 *n, size_t n_len,
					 const uint8 *e, size_t e_len, const char **why)
{
	EvauditKey *key = new_key();
	OSSL_PARAM_BLD *build;
	BIGNUM	   *n_value;
	BIGNUM	   *e_value;
	EVP_PKEY   *pkey = NULL;

	*why = "it is not an RSA key";
	if (n_len > MAX_RSA_BITS / 8 + 1 || e_len > MAX_RSA_BITS / 8)
	{
		*why = "an RSA key must not have more than 8192 bits";
		return NULL;
	}
	ERR_set_mark();
	build = OSSL_PARAM_BLD_new();
	n_value = BN_bin2bn(n, (int) n_len, NULL);
	e_value = BN_bin2bn(e, (int) e_len, NULL);
	if (build != NULL && n_value != NULL && e_value != NULL &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n_value) &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e_value))
		pkey = pkey_from_params("RSA", build);
	BN_free(n_value);
	BN_free(e_value);
	OSSL_PARAM_BLD_free(build);
	return finish_key(key, pkey, why);
}

/* Make a key of a point on a curve. */
EvauditKey *
evaudit_key_from_ec(const char *curve, const uint8 *x, size_t x_len,
					const uint8 *y, size_t y_len, const char **why)
{
	EvauditKey *key;
	OSSL_PARAM_BLD *build;
	EVP_PKEY   *pkey = NULL;
	uint8		point[1 + 2 * 66] = {POINT_CONVERSION_UNCOMPRESSED};
	int			i;

	for (i = 0; i < lengthof(curves); i++)
	{
		if (strcmp(curves[i].name, curve) == 0)
			break;
	}
	*why = "its curve is none of P-256, P-384 and P-521";
	if (i == lengthof(curves))
		return NULL;
	*why = "its coordinates are not of the size of the curve";
	if (x_len != curves[i].bytes || y_len != curves[i].bytes)
		return NULL;
	*why = "its point is not on the curve";
	memcpy(point + 1, x, x_len);
	memcpy(point + 1 + x_len, y, y_len);

	key = new_key();
	ERR_set_mark();
	build = OSSL_PARAM_BLD_new();
	if (build != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
										curves[i].group, 0) &&
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
										 point, 1 + x_len + y_len))
		pkey = pkey_from_params("EC", build);
	OSSL_PARAM_BLD_free(build);
	return finish_key(key, pkey, why);
}

/* Make an Ed25519 key. */
EvauditKey *
evaudit_key_from_ed25519(const uint8 *x, size_t x_len, const char **why)
{
	EvauditKey *key = new_key();

	*why = "an Ed25519 key must have 32 bytes";
	if (x_len != 32)
		return NULL;
	ERR_set_mark();
	return finish_key(key,
					  EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
													 x, x_len), why);
}

/* Make a key of a SubjectPublicKeyInfo, and nothing behind it. */
EvauditKey *
evaudit_key_from_der(const uint8 *der, size_t len, const char **why)
{
	EvauditKey *key = new_key();
	const uint8 *end = der;
	EVP_PKEY   *pkey;

	*why = "it is not a public key in DER (SubjectPublicKeyInfo)";
	ERR_set_mark();
	pkey = d2i_PUBKEY(NULL, &end, (long) len);
	if (pkey != NULL && end != der + len)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return finish_key(key, pkey, why);
}

/* The key in a PEM block of a name. */
static EVP_PKEY *
pkey_from_block(const char *name, const uint8 *data, long len,
				const char **why)
{
	EVP_PKEY   *pkey = NULL;

	if (strcmp(name, PEM_STRING_PUBLIC) == 0)
		pkey = d2i_PUBKEY(NULL, &data, len);
	else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0)
		pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &data, len);
	else if (strcmp(name, PEM_STRING_X509) == 0)
	{
		X509	   *certificate = d2i_X509(NULL, &data, len);

		if (certificate != NULL)
			pkey = X509_get_pubkey(certificate);
		X509_free(certificate);
	}
	else if (strstr(name, "PRIVATE KEY") != NULL)
		*why = "it is a private key, where the public one belongs";
	else
		*why = "it is neither a public key nor a certificate";
	return pkey;
}

/* The next key of a PEM text. */
EvauditKey *
evaudit_key_from_pem(const char **pos, const char **why)
{
	EvauditKey *key = new_key();
	size_t		len = strlen(*pos);
	const char *end = *pos + len;
	BIO		   *bio;
	char	   *name = NULL;
	char	   *header = NULL;
	uint8	   *data = NULL;
	long		data_len = 0;
	EVP_PKEY   *pkey = NULL;

	*why = "it is not in PEM";
	ERR_set_mark();
	bio = BIO_new_mem_buf(*pos, (int) len);
	if (bio != NULL &&
		PEM_read_bio(bio, &name, &header, &data, &data_len))
	{
		*why = "its PEM block does not hold what it says";
		pkey = pkey_from_block(name, data, data_len, why);
		*pos = end - BIO_pending(bio);
	}
	else if (bio != NULL && strstr(*pos, "-----") == NULL)
		*pos = NULL;
	BIO_free(bio);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	return finish_key(key, pkey, why);
}

/* The key as a SubjectPublicKeyInfo in DER. */
uint8 *
evaudit_key_to_der(const EvauditKey *key, size_t *len)
{
	int			size;
	uint8	   *der;
	uint8	   *end;

	ERR_set_mark();
	size = i2d_PUBKEY(key->pkey, NULL);
	ERR_pop_to_mark();
	if (size <= 0)
		elog(ERROR, "could not encode a public key");
	der = end = palloc(size);
	*len = i2d_PUBKEY(key->pkey, &end);
	return der;
}
