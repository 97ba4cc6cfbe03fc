/*-------------------------------------------------------------------------
 *
 * ascii.h
 *	  Letters, digits and words of ASCII, whatever the locale takes for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ASCII_H
#define EVAUDIT_ASCII_H

/* Whether this is one of 0 to 9. */
static inline bool
evaudit_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether this is one of A to Z, in any case. */
static inline bool
evaudit_is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Whether this is one of either. */
static inline bool
evaudit_is_alnum(char c)
{
	return evaudit_is_digit(c) || evaudit_is_letter(c);
}

/*
 * Whether a string has 1 to max bytes, all of them printable and none a
 * space: what can be part of a header, a key or a message.
 */
static inline bool
evaudit_is_word(const char *string, size_t max)
{
	size_t		len = 0;

	for (; string[len] != '\0'; len++)
	{
		if (len == max || string[len] <= 0x20 || string[len] >= 0x7f)
			return false;
	}
	return len > 0;
}

/* The value of a hexadecimal digit, or -1. */
static inline int
evaudit_hex_digit(char c)
{
	if (evaudit_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif							/* EVAUDIT_ASCII_H */
