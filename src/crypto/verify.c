/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Signatures: whether one was made with the other half of a key.
 *
 * An EVP_PKEY_CTX that is set up once for each key, and digests fetched once
 * for the process, leave little more than the arithmetic: EVP_DigestVerify()
 * looks everything up and allocates for each signature.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "utils/memutils.h"

#include "crypto/key.h"

/* What each algorithm asks of its key and does; in the order of the enum. */
static const struct
{
	const char *name;
	EvauditKeyType type;
	const char *digest;			/* NULL: the algorithm brings its own */
	int			padding;		/* of RSA */
}			algorithms[] =

{
	{"", 0, NULL, 0},
	{"RS256", EVAUDIT_KEY_RSA, "SHA2-256", RSA_PKCS1_PADDING},
	{"RS384", EVAUDIT_KEY_RSA, "SHA2-384", RSA_PKCS1_PADDING},
	{"RS512", EVAUDIT_KEY_RSA, "SHA2-512", RSA_PKCS1_PADDING},
	{"PS256", EVAUDIT_KEY_RSA, "SHA2-256", RSA_PKCS1_PSS_PADDING},
	{"PS384", EVAUDIT_KEY_RSA, "SHA2-384", RSA_PKCS1_PSS_PADDING},
	{"PS512", EVAUDIT_KEY_RSA, "SHA2-512", RSA_PKCS1_PSS_PADDING},
	{"ES256", EVAUDIT_KEY_P256, "SHA2-256", 0},
	{"ES384", EVAUDIT_KEY_P384, "SHA2-384", 0},
	{"ES512", EVAUDIT_KEY_P521, "SHA2-512", 0},
	{"EdDSA", EVAUDIT_KEY_ED25519, NULL, 0},
	{"RS1", EVAUDIT_KEY_RSA, "SHA1", RSA_PKCS1_PADDING},
};

StaticAssertDecl(lengthof(algorithms) == EVAUDIT_ALG_RS1 + 1,
				 "every algorithm must be described");

/* Their digests, each fetched when it is first needed, and one context. */
static EVP_MD *digests[lengthof(algorithms)];
static EVP_MD_CTX *digest_context = NULL;

/* The algorithm of a name, as a token's header has it; case counts. */
EvauditAlgorithm
evaudit_algorithm_from_name(const char *name, size_t len)
{
	/* RFC 9864: of EdDSA's curves this one is meant, and no other is known */
	if (len == strlen("Ed25519") && memcmp(name, "Ed25519", len) == 0)
	{
		name = "EdDSA";
		len = strlen(name);
	}
	for (int i = EVAUDIT_FIRST_ALGORITHM; i <= EVAUDIT_LAST_ALGORITHM; i++)
	{
		if (strlen(algorithms[i].name) == len &&
			memcmp(algorithms[i].name, name, len) == 0)
			return (EvauditAlgorithm) i;
	}
	return EVAUDIT_ALG_UNKNOWN;
}

/* Whether a key can have made signatures of an algorithm. */
bool
evaudit_key_serves(const EvauditKey *key, EvauditAlgorithm algorithm)
{
	return algorithm != EVAUDIT_ALG_UNKNOWN &&
		key->type == algorithms[algorithm].type;
}

/* The digest of an algorithm; NULL if OpenSSL does not have it. */
static const EVP_MD *
get_digest(EvauditAlgorithm algorithm)
{
	if (digests[algorithm] == NULL)
		digests[algorithm] = EVP_MD_fetch(NULL, algorithms[algorithm].digest,
										  NULL);
	if (digest_context == NULL)
		digest_context = EVP_MD_CTX_new();
	return digest_context != NULL ? digests[algorithm] : NULL;
}

/* Set the key's verifier up for an algorithm. */
static bool
prepare_verifier(EvauditKey *key, EvauditAlgorithm algorithm,
				 const EVP_MD *digest)
{
	int			padding = algorithms[algorithm].padding;

	if (key->verifier != NULL && key->verifies == algorithm)
		return true;
	EVP_PKEY_CTX_free(key->verifier);
	key->verifies = EVAUDIT_ALG_UNKNOWN;
	key->verifier = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (key->verifier == NULL ||
		EVP_PKEY_verify_init(key->verifier) <= 0)
		return false;
	if (padding != 0 &&
		EVP_PKEY_CTX_set_rsa_padding(key->verifier, padding) <= 0)
		return false;
	if (EVP_PKEY_CTX_set_signature_md(key->verifier, digest) <= 0)
		return false;
	/* RFC 7518, 3.5: the salt has the size of the digest */
	if (padding == RSA_PKCS1_PSS_PADDING &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(key->verifier,
										 RSA_PSS_SALTLEN_DIGEST) <= 0)
		return false;
	key->verifies = algorithm;
	return true;
}

/*
 * Turn the r and s of a token, each of the size of the curve, into the DER
 * that OpenSSL reads; its length, or 0.
 */
static size_t
ecdsa_to_der(const uint8 *signature, size_t len, uint8 *der, size_t size)
{
	ECDSA_SIG  *pair = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(signature, (int) len / 2, NULL);
	BIGNUM	   *s = BN_bin2bn(signature + len / 2, (int) len / 2, NULL);
	int			der_len = 0;

	if (pair == NULL || r == NULL || s == NULL ||
		!ECDSA_SIG_set0(pair, r, s))
	{
		BN_free(r);
		BN_free(s);
	}
	else
	{
		der_len = i2d_ECDSA_SIG(pair, NULL);
		if (der_len > 0 && der_len <= (int) size)
			der_len = i2d_ECDSA_SIG(pair, &der);
		else
			der_len = 0;
	}
	ECDSA_SIG_free(pair);
	return Max(der_len, 0);
}

/* Verify with an algorithm that signs a digest. */
static bool
verify_digest(EvauditKey *key, EvauditAlgorithm algorithm,
			  const void *data, size_t data_len,
			  const uint8 *signature, size_t signature_len)
{
	const EVP_MD *digest = get_digest(algorithm);
	uint8		hash[EVP_MAX_MD_SIZE];
	unsigned int hash_len;
	uint8		der[160];

	if (digest == NULL || !prepare_verifier(key, algorithm, digest))
		return false;
	if (!EVP_DigestInit_ex(digest_context, digest, NULL) ||
		!EVP_DigestUpdate(digest_context, data, data_len) ||
		!EVP_DigestFinal_ex(digest_context, hash, &hash_len))
		return false;

	if (key->type == EVAUDIT_KEY_RSA)
	{
		if (signature_len != EVP_PKEY_get_size(key->pkey))
			return false;
	}
	else
	{
		if (signature_len != 2 * ((EVP_PKEY_get_bits(key->pkey) + 7) / 8))
			return false;
		signature_len = ecdsa_to_der(signature, signature_len,
									 der, sizeof(der));
		signature = der;
	}
	return EVP_PKEY_verify(key->verifier, signature, signature_len,
						   hash, hash_len) == 1;
}

/* Verify with Ed25519, which hashes what it signs in its own way. */
static bool
verify_whole(EvauditKey *key, const void *data, size_t data_len,
			 const uint8 *signature, size_t signature_len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		good;

	good = context != NULL &&
		EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
		EVP_DigestVerify(context, signature, signature_len,
						 data, data_len) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

/* Whether a signature over data is good. */
bool
evaudit_key_verify(EvauditKey *key, EvauditAlgorithm algorithm,
				   const void *data, size_t data_len,
				   const uint8 *signature, size_t signature_len)
{
	bool		good;

	if (!evaudit_key_serves(key, algorithm))
		return false;
	ERR_set_mark();
	good = algorithms[algorithm].digest != NULL ?
		verify_digest(key, algorithm, data, data_len,
					  signature, signature_len) :
		verify_whole(key, data, data_len, signature, signature_len);
	ERR_pop_to_mark();
	return good;
}

/* Why a certificate in PEM cannot be used now, or NULL. */
static const char *
check_certificate(const char *pem, size_t len)
{
	BIO		   *bio = BIO_new_mem_buf(pem, (int) len);
	X509	   *certificate = NULL;
	const char *reason = NULL;

	/* an empty password, so that OpenSSL does not ask for one on the terminal */
	if (bio != NULL)
		certificate = PEM_read_bio_X509(bio, NULL, NULL, "");
	if (certificate == NULL)
		reason = "it is not a certificate in PEM";
	else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0)
		reason = "the certificate is not valid yet";
	else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		reason = "the certificate has expired";
	X509_free(certificate);
	BIO_free(bio);
	return reason;
}

/* Verify what was signed with the key of a certificate. */
const char *
evaudit_crypto_verify_x509(const char *pem, size_t pem_len,
						   EvauditAlgorithm algorithm,
						   const void *data, size_t data_len,
						   const uint8 *signature, size_t signature_len)
{
	MemoryContext context;
	MemoryContext previous;
	const char *reason;

	ERR_set_mark();
	reason = check_certificate(pem, pem_len);
	ERR_pop_to_mark();
	if (reason != NULL)
		return reason;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"evaudit certificate",
									ALLOCSET_SMALL_SIZES);
	previous = MemoryContextSwitchTo(context);
	{
		const char *pos = pnstrdup(pem, pem_len);
		EvauditKey *key = evaudit_key_from_pem(&pos, &reason);

		if (key != NULL)
			reason = evaudit_key_verify(key, algorithm, data, data_len,
										signature, signature_len) ?
				NULL : "the signature does not match";
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
	return reason;
}
