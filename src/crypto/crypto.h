/*-------------------------------------------------------------------------
 *
 * crypto.h
 *	  Public keys and the signatures made with their other halves.
 *
 * Nothing here raises an ERROR for an invalid key or signature: a
 * function returns NULL or false and, where that helps, says why in a text
 * that is static and repeats nothing of the input.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CRYPTO_H
#define EVAUDIT_CRYPTO_H

/* How a signature was made; the names are those of RFC 7518 and 8037. */
typedef enum EvauditAlgorithm
{
	EVAUDIT_ALG_UNKNOWN = 0,
	EVAUDIT_ALG_RS256,
	EVAUDIT_ALG_RS384,
	EVAUDIT_ALG_RS512,
	EVAUDIT_ALG_PS256,
	EVAUDIT_ALG_PS384,
	EVAUDIT_ALG_PS512,
	EVAUDIT_ALG_ES256,
	EVAUDIT_ALG_ES384,
	EVAUDIT_ALG_ES512,
	EVAUDIT_ALG_EDDSA,			/* with Ed25519 alone */
	EVAUDIT_ALG_RS1				/* SNS's old ones; no name leads here */
} EvauditAlgorithm;

/* Which algorithms go through evaudit_algorithm_from_name(). */
#define EVAUDIT_FIRST_ALGORITHM		EVAUDIT_ALG_RS256
#define EVAUDIT_LAST_ALGORITHM		EVAUDIT_ALG_EDDSA

/* Longest signature of any key that is accepted, in bytes. */
#define EVAUDIT_MAX_SIGNATURE_BYTES	1024

/*
 * A public key that has passed all checks of size and curve.  It lives in
 * the memory context that was current when it was made, and goes with it.
 */
typedef struct EvauditKey EvauditKey;

extern EvauditAlgorithm evaudit_algorithm_from_name(const char *name,
													size_t len);

/* Big-endian bytes, as RFC 7518 has them behind base64url. */
extern EvauditKey *evaudit_key_from_rsa(const uint8 *n, size_t n_len,
										const uint8 *e, size_t e_len,
										const char **why);
extern EvauditKey *evaudit_key_from_ec(const char *curve,
									   const uint8 *x, size_t x_len,
									   const uint8 *y, size_t y_len,
									   const char **why);
extern EvauditKey *evaudit_key_from_ed25519(const uint8 *x, size_t x_len,
											const char **why);

/* A SubjectPublicKeyInfo, in DER. */
extern EvauditKey *evaudit_key_from_der(const uint8 *der, size_t len,
										const char **why);

/*
 * The next block of a PEM text: a public key or a certificate; *pos moves
 * behind it, and is NULL at the end.
 */
extern EvauditKey *evaudit_key_from_pem(const char **pos, const char **why);

/* The key as a SubjectPublicKeyInfo in DER; palloc'd. */
extern uint8 *evaudit_key_to_der(const EvauditKey *key, size_t *len);

/* Whether the key is of the type, and of the curve, of an algorithm. */
extern bool evaudit_key_serves(const EvauditKey *key,
							   EvauditAlgorithm algorithm);

/*
 * Whether a signature over data is good.  ECDSA's is r and s in a row, each
 * of the size of the curve.
 */
extern bool evaudit_key_verify(EvauditKey *key, EvauditAlgorithm algorithm,
							   const void *data, size_t data_len,
							   const uint8 *signature, size_t signature_len);

/*
 * Verify what was signed with the key of a certificate: PEM text of len
 * bytes, EVAUDIT_ALG_RS1 or _RS256.  NULL if the signature is good and the
 * certificate valid now, else why not.  Who issued the certificate is not
 * checked: the caller knows where it came from.  To verify many, keep the
 * key of evaudit_key_from_pem() and use evaudit_key_verify().
 */
extern const char *evaudit_crypto_verify_x509(const char *pem, size_t pem_len,
											  EvauditAlgorithm algorithm,
											  const void *data,
											  size_t data_len,
											  const uint8 *signature,
											  size_t signature_len);

#endif							/* EVAUDIT_CRYPTO_H */
