/*-------------------------------------------------------------------------
 *
 * base64.c
 *	  Base64 read to the letter: one text for each sequence of bytes.
 *
 * Neither spaces nor foreign characters are passed over, and the bits of the
 * last character that belong to no byte must be zero: a token that could be
 * written in two ways would be two tokens to whoever compares texts.  The
 * server's own decoder skips white space and looks at no such bits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "text/base64.h"

static const char standard[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* What each character stands for, -1 for none; filled when first used. */
typedef struct Alphabet
{
	bool		filled;
	int8		values[256];
} Alphabet;

/* Fill an alphabet in. */
static void
fill(Alphabet *alphabet, const char *characters)
{
	memset(alphabet->values, -1, sizeof(alphabet->values));
	for (int i = 0; i < 64; i++)
		alphabet->values[(unsigned char) characters[i]] = (int8) i;
	alphabet->filled = true;
}

/* Decode len characters without padding; the number of bytes, or -1. */
static int
decode(const int8 *values, const char *str, size_t len, uint8 *bytes)
{
	const unsigned char *p = (const unsigned char *) str;
	const unsigned char *end = p + len / 4 * 4;
	uint8	   *out = bytes;
	int			v = 0;
	int			rest;

	for (; p < end; p += 4)
	{
		v = (values[p[0]] * (1 << 18)) | (values[p[1]] * (1 << 12)) |
			(values[p[2]] * (1 << 6)) | values[p[3]];
		if (v < 0)
			return -1;
		*out++ = (uint8) (v >> 16);
		*out++ = (uint8) (v >> 8);
		*out++ = (uint8) v;
	}

	rest = (int) (len % 4);
	if (rest == 0)
		return (int) (out - bytes);
	if (rest == 1)
		return -1;
	v = (values[p[0]] * (1 << 12)) | (values[p[1]] * (1 << 6));
	if (rest == 3)
		v |= values[p[2]];
	/* 12 bits for one byte, 18 for two */
	if (v < 0 || (v & (rest == 2 ? 0x3ff : 0x3)) != 0)
		return -1;
	*out++ = (uint8) (v >> 10);
	if (rest == 3)
		*out++ = (uint8) (v >> 2);
	return (int) (out - bytes);
}

/* Decode base64url without padding (RFC 7515); the number of bytes, or -1. */
int
evaudit_base64url_decode(const char *str, size_t len, uint8 *bytes)
{
	static Alphabet alphabet;

	if (!alphabet.filled)
		fill(&alphabet, for_urls);
	return decode(alphabet.values, str, len, bytes);
}

/* Decode base64, padded or not; the number of bytes, or -1. */
int
evaudit_base64_decode(const char *str, size_t len, uint8 *bytes)
{
	static Alphabet alphabet;

	if (!alphabet.filled)
		fill(&alphabet, standard);
	if (len > 0 && len % 4 == 0)
	{
		if (str[len - 1] == '=')
			len--;
		if (str[len - 1] == '=')
			len--;
	}
	return decode(alphabet.values, str, len, bytes);
}

/* Encode in base64, padded. */
char *
evaudit_base64_encode(const uint8 *bytes, size_t len)
{
	char	   *str = palloc((len + 2) / 3 * 4 + 1);
	char	   *out = str;

	for (size_t i = 0; i < len; i += 3)
	{
		int			v = bytes[i] << 16;

		if (i + 1 < len)
			v |= bytes[i + 1] << 8;
		if (i + 2 < len)
			v |= bytes[i + 2];
		*out++ = standard[v >> 18];
		*out++ = standard[(v >> 12) & 63];
		*out++ = i + 1 < len ? standard[(v >> 6) & 63] : '=';
		*out++ = i + 2 < len ? standard[v & 63] : '=';
	}
	*out = '\0';
	return str;
}

/* The same in the alphabet of URLs, without padding. */
char *
evaudit_base64url_encode(const uint8 *bytes, size_t len)
{
	char	   *str = evaudit_base64_encode(bytes, len);

	for (char *c = str; *c != '\0'; c++)
	{
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
		else if (*c == '=')
			*c = '\0';
	}
	return str;
}
