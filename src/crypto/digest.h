/*-------------------------------------------------------------------------
 *
 * digest.h
 *	  SHA-256, and HMAC made of it.
 *
 * Postgres' own functions note what they allocate in a resource owner, which
 * a process has in a transaction only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DIGEST_H
#define EVAUDIT_DIGEST_H

#define EVAUDIT_SHA256_BYTES	32

/* Room for the digits of a digest and a zero. */
#define EVAUDIT_SHA256_HEX		(2 * EVAUDIT_SHA256_BYTES + 1)

/* A key that is prepared for many codes, in a memory context. */
typedef struct EvauditHmacKey EvauditHmacKey;

extern void evaudit_sha256_hex(const void *data, size_t len,
							   char hex[EVAUDIT_SHA256_HEX]);
extern void evaudit_hmac_sha256(const void *key, size_t key_len,
								const void *data, size_t len,
								uint8 digest[EVAUDIT_SHA256_BYTES]);
extern EvauditHmacKey *evaudit_hmac_prepare(const uint8 *secret, size_t len);
extern void evaudit_hmac_prepared(EvauditHmacKey *key, const void *data,
								  size_t len,
								  uint8 digest[EVAUDIT_SHA256_BYTES]);

#endif							/* EVAUDIT_DIGEST_H */
