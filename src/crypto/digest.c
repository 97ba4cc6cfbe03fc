/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  SHA-256, and HMAC made of it, over OpenSSL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto/digest.h"
#include "server/compat.h"

/* Bytes of a block of SHA-256. */
#define HMAC_BLOCK	64

struct EvauditHmacKey
{
	EVP_MD_CTX *inner;
	EVP_MD_CTX *outer;
	EVP_MD_CTX *work;
	MemoryContextCallback callback;
};

/* Raise an ERROR: OpenSSL fails for lack of memory, or by its policy. */
pg_noreturn static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not compute a SHA-256 digest")));
}

/* The digest of some bytes, in hexadecimal digits. */
void
evaudit_sha256_hex(const void *data, size_t len, char hex[EVAUDIT_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	uint8		digest[EVAUDIT_SHA256_BYTES];

	if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
		refuse();
	for (int i = 0; i < EVAUDIT_SHA256_BYTES; i++)
	{
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * EVAUDIT_SHA256_BYTES] = '\0';
}

/* A digest that has begun with the key, each byte of it changed by a pad. */
static EVP_MD_CTX *
begin_with_pad(const uint8 *key, size_t key_len, uint8 pad)
{
	uint8		block[HMAC_BLOCK];
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	for (int i = 0; i < HMAC_BLOCK; i++)
		block[i] = pad ^ (i < key_len ? key[i] : 0);
	if (context == NULL ||
		EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 ||
		EVP_DigestUpdate(context, block, HMAC_BLOCK) != 1)
	{
		EVP_MD_CTX_free(context);
		context = NULL;
	}
	explicit_bzero(block, HMAC_BLOCK);
	return context;
}

/* Free what was prepared of a key; OpenSSL wipes it. */
static void
free_prepared(void *arg)
{
	EvauditHmacKey *key = arg;

	EVP_MD_CTX_free(key->inner);
	EVP_MD_CTX_free(key->outer);
	EVP_MD_CTX_free(key->work);
}

/*
 * Prepare a key of at most 64 bytes for many codes, which takes most of the
 * time of one.  It lives in the current memory context.
 */
EvauditHmacKey *
evaudit_hmac_prepare(const uint8 *secret, size_t len)
{
	EvauditHmacKey *key = palloc0(sizeof(EvauditHmacKey));

	Assert(len <= HMAC_BLOCK);
	key->callback.func = free_prepared;
	key->callback.arg = key;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &key->callback);
	key->inner = begin_with_pad(secret, len, 0x36);
	key->outer = begin_with_pad(secret, len, 0x5c);
	key->work = EVP_MD_CTX_new();
	if (key->inner == NULL || key->outer == NULL || key->work == NULL)
		refuse();
	return key;
}

/* The code that authenticates some bytes by a key that is prepared. */
void
evaudit_hmac_prepared(EvauditHmacKey *key, const void *data, size_t len,
					  uint8 digest[EVAUDIT_SHA256_BYTES])
{
	if (EVP_MD_CTX_copy_ex(key->work, key->inner) != 1 ||
		EVP_DigestUpdate(key->work, data, len) != 1 ||
		EVP_DigestFinal_ex(key->work, digest, NULL) != 1 ||
		EVP_MD_CTX_copy_ex(key->work, key->outer) != 1 ||
		EVP_DigestUpdate(key->work, digest, EVAUDIT_SHA256_BYTES) != 1 ||
		EVP_DigestFinal_ex(key->work, digest, NULL) != 1)
		refuse();
}

/* The code that authenticates some bytes by a key. */
void
evaudit_hmac_sha256(const void *key, size_t key_len,
					const void *data, size_t len,
					uint8 digest[EVAUDIT_SHA256_BYTES])
{
	if (HMAC(EVP_sha256(), key, (int) key_len, data, len, digest, NULL) == NULL)
		refuse();
}
