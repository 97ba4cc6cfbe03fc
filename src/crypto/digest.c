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

/* The code that authenticates some bytes by a key. */
void
evaudit_hmac_sha256(const void *key, size_t key_len,
					const void *data, size_t len,
					uint8 digest[EVAUDIT_SHA256_BYTES])
{
	if (HMAC(EVP_sha256(), key, (int) key_len, data, len, digest, NULL) == NULL)
		refuse();
}
