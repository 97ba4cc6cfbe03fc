/*-------------------------------------------------------------------------
 *
 * key.h
 *	  What is behind EvauditKey: for the files crypto_*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CRYPTO_KEY_H
#define EVAUDIT_CRYPTO_KEY_H

#include <openssl/evp.h>

#include "crypto/crypto.h"

typedef enum EvauditKeyType
{
	EVAUDIT_KEY_RSA,
	EVAUDIT_KEY_P256,
	EVAUDIT_KEY_P384,
	EVAUDIT_KEY_P521,
	EVAUDIT_KEY_ED25519
} EvauditKeyType;

struct EvauditKey
{
	EvauditKeyType type;
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *verifier;		/* set up for one algorithm, or NULL */
	EvauditAlgorithm verifies;	/* which */
	MemoryContextCallback release;
};

#endif							/* EVAUDIT_CRYPTO_KEY_H */
