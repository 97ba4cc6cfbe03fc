/*
 * token_make.c
 *	  Makes tokens for bench/token.sh, and times OpenSSL's own verification
 *	  of their signatures.
 *
 *	token_make COUNT KEY TOKENS
 *
 * writes an RSA key of 2048 bits to KEY in PEM, and COUNT tokens (RS256) to
 * TOKENS, one in a line; then prints the microseconds of processor time
 * that verifying one takes by EVP_DigestVerify(), which is what a program calls, and by
 * EVP_PKEY_verify() of a digest with a context that is kept, which is the
 * arithmetic alone.  The best of several rounds over all tokens.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS	15

typedef struct Token
{
	char		text[1024];		/* what is signed */
	size_t		len;
	unsigned char signature[256];
} Token;

static void
check(int ok, const char *what)
{
	if (ok == 1)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

/* Append bytes in base64url. */
static size_t
encode(char *out, const unsigned char *in, size_t len)
{
	size_t		n = EVP_EncodeBlock((unsigned char *) out, in, (int) len);

	while (n > 0 && out[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	out[n] = '\0';
	return n;
}

static void
make_token(EVP_PKEY *key, Token *token, int number)
{
	static const char header[] =
		"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"key-2026\"}";
	char		payload[512];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t		signature_len = sizeof(token->signature);
	int			n;

	n = snprintf(payload, sizeof(payload),
				 "{\"iss\":\"https://login.example/\",\"sub\":\"user%d\","
				 "\"aud\":\"https://events.example/\",\"iat\":1700000000,"
				 "\"exp\":4000000000,\"scope\":\"events:write\"}", number);
	token->len = encode(token->text, (const unsigned char *) header,
						sizeof(header) - 1);
	token->text[token->len++] = '.';
	token->len += encode(token->text + token->len, (unsigned char *) payload, n);
	check(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key),
		  "EVP_DigestSignInit");
	check(EVP_DigestSign(context, token->signature, &signature_len,
						 (unsigned char *) token->text, token->len),
		  "EVP_DigestSign");
	EVP_MD_CTX_free(context);
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void
verify_as_usual(EVP_PKEY *key, const Token *token)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	check(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key),
		  "EVP_DigestVerifyInit");
	check(EVP_DigestVerify(context, token->signature, 256,
						   (const unsigned char *) token->text, token->len),
		  "EVP_DigestVerify");
	EVP_MD_CTX_free(context);
}

static void
verify_kept(EVP_PKEY *key, const Token *token)
{
	static EVP_PKEY_CTX *context = NULL;
	static EVP_MD *sha256 = NULL;
	static EVP_MD_CTX *hash = NULL;
	unsigned char digest[32];

	if (context == NULL)
	{
		sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
		hash = EVP_MD_CTX_new();
		context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
		check(EVP_PKEY_verify_init(context), "EVP_PKEY_verify_init");
		check(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING),
			  "EVP_PKEY_CTX_set_rsa_padding");
		check(EVP_PKEY_CTX_set_signature_md(context, sha256),
			  "EVP_PKEY_CTX_set_signature_md");
	}
	check(EVP_DigestInit_ex(hash, sha256, NULL) &&
		  EVP_DigestUpdate(hash, token->text, token->len) &&
		  EVP_DigestFinal_ex(hash, digest, NULL), "SHA-256");
	check(EVP_PKEY_verify(context, token->signature, 256, digest, 32),
		  "EVP_PKEY_verify");
}

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
measure(EVP_PKEY *key, const Token *tokens, int count,
		void (*verify) (EVP_PKEY *, const Token *))
{
	double		times[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
	{
		double		start = now_us();

		for (int j = 0; j < count; j++)
			verify(key, &tokens[j]);
		times[i] = (now_us() - start) / count;
	}
	qsort(times, ROUNDS, sizeof(double), by_value);
	return times[0];
}

int
main(int argc, char **argv)
{
	int			count = argc == 4 ? atoi(argv[1]) : 0;
	EVP_PKEY   *key = EVP_RSA_gen(2048);
	Token	   *tokens = calloc(count + 1, sizeof(Token));
	FILE	   *file;

	if (count <= 0 || key == NULL || tokens == NULL)
	{
		fprintf(stderr, "usage: token_make COUNT KEY TOKENS\n");
		return 1;
	}
	file = fopen(argv[2], "w");
	check(file != NULL && PEM_write_PUBKEY(file, key) && fclose(file) == 0,
		  argv[2]);
	file = fopen(argv[3], "w");
	check(file != NULL, argv[3]);
	for (int i = 0; i < count; i++)
	{
		char		signature[512];

		make_token(key, &tokens[i], i);
		(void) encode(signature, tokens[i].signature, 256);
		fprintf(file, "%s.%s\n", tokens[i].text, signature);
	}
	check(fclose(file) == 0, argv[3]);
	printf("%.2f %.2f\n", measure(key, tokens, count, verify_as_usual),
		   measure(key, tokens, count, verify_kept));
	return 0;
}
