/*-------------------------------------------------------------------------
 *
 * base64.h
 *	  Base64 read to the letter: one text for each sequence of bytes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_BASE64_H
#define EVAUDIT_BASE64_H

/* Room for what len characters hold. */
#define EVAUDIT_BASE64_BYTES(len)	((len) / 4 * 3 + 3)

extern int	evaudit_base64_decode(const char *str, size_t len, uint8 *bytes);
extern int	evaudit_base64url_decode(const char *str, size_t len,
									 uint8 *bytes);
extern char *evaudit_base64_encode(const uint8 *bytes, size_t len);
extern char *evaudit_base64url_encode(const uint8 *bytes, size_t len);

#endif							/* EVAUDIT_BASE64_H */
