/*-------------------------------------------------------------------------
 *
 * aws_message.c
 *	  What messages of SQS and SNS have in common: which texts they can be,
 *	  and the ids of FIFO queues and topics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "crypto/digest.h"
#include "sinks/aws_sink.h"
#include "text/ascii.h"

/* Longest id that is used as it is, in bytes. */
#define MAX_ID				(EVAUDIT_AWS_ID_BYTES - 1)

/* Whether some bytes of UTF-8 are characters that XML 1.0 allows. */
static bool
is_xml_text(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *) bytes;
	const unsigned char *end = p + len;

	if (pg_encoding_verifymbstr(PG_UTF8, bytes, (int) len) != len)
		return false;
	for (; p < end; p++)
	{
		/* U+FFFE and U+FFFF are EF BF BE and EF BF BF */
		if ((*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') ||
			(*p == 0xef && end - p > 2 && p[1] == 0xbf && p[2] >= 0xbe))
			return false;
	}
	return true;
}

/*
 * An id of a group, or of what is sent again: the bytes themselves where
 * they can be one, else their hash.
 */
void
evaudit_aws_message_id(const void *bytes, size_t len,
					   char id[EVAUDIT_AWS_ID_BYTES])
{
	memset(id, 0, EVAUDIT_AWS_ID_BYTES);
	if (len <= MAX_ID)
		memcpy(id, bytes, len);
	if (len > MAX_ID || strlen(id) != len || !evaudit_is_word(id, MAX_ID))
		evaudit_sha256_hex(bytes, len, id);
}

/* The group of a delivery: its key's; each one without a key has its own. */
void
evaudit_aws_message_group(const EvauditDelivery *delivery,
						  char id[EVAUDIT_AWS_ID_BYTES])
{
	if (delivery->key != NULL)
		evaudit_aws_message_id(delivery->key, delivery->key_len, id);
	else
		evaudit_aws_message_id(delivery->event_id, strlen(delivery->event_id),
							   id);
}

/*
 * What tells a delivery that is sent again from another one: the event's id,
 * which is unique in its topic only.
 */
void
evaudit_aws_message_repeat(const EvauditAwsSink *aws,
						   const EvauditDelivery *delivery,
						   char id[EVAUDIT_AWS_ID_BYTES])
{
	List	   *topics = aws->sink->topics;
	bool		one = list_length(topics) == 1 &&
		strcmp(linitial(topics), delivery->topic) == 0;
	char	   *whole = psprintf("%s%s%s", one ? "" : delivery->topic,
								 one ? "" : ":", delivery->event_id);

	evaudit_aws_message_id(whole, strlen(whole), id);
	pfree(whole);
}

/* The value of an attribute of a message, or NULL if it cannot have it. */
const char *
evaudit_aws_message_attribute(const EvauditDelivery *delivery, int i)
{
	const char *value = i == 0 ? delivery->topic : delivery->event_id;

	return *value != '\0' && is_xml_text(value, strlen(value)) ? value : NULL;
}

const char *const evaudit_aws_message_attributes[] = {"topic", "event_id"};

/* The bytes of a delivery; 0 and a reason if it cannot be a message. */
size_t
evaudit_aws_message_bytes(const EvauditAwsSink *aws,
						  const EvauditDelivery *delivery,
						  const char **code, const char **reason)
{
	size_t		bytes = delivery->body_len;

	*code = "InvalidMessageContents";
	if (bytes == 0)
		*reason = "a message cannot be empty";
	else if (!is_xml_text(delivery->body, delivery->body_len))
		*reason = "a message can only have characters that XML allows";
	if (*reason != NULL)
		return 0;
	for (int i = 0; i < EVAUDIT_AWS_ATTRIBUTES; i++)
	{
		const char *value = evaudit_aws_message_attribute(delivery, i);

		if (value != NULL)
			bytes += strlen(evaudit_aws_message_attributes[i]) +
				strlen("String") + strlen(value);
	}
	return bytes;
}

/* EvauditAwsOperation.is_refusal of SQS and SNS. */
bool
evaudit_aws_message_refused(const EvauditAwsEntry *entry)
{
	static const char *const codes[] = {
		"InvalidMessageContents", "InvalidParameter", "ParameterValueInvalid",
		"BatchRequestTooLong", "MessageTooLong", NULL
	};
	const char *code = entry->code;
	const char *dot = strrchr(code, '.');

	if (!entry->sender_fault)
		return false;
	if (dot != NULL)
		code = dot + 1;
	for (int i = 0; codes[i] != NULL; i++)
	{
		if (strncmp(code, codes[i], strlen(codes[i])) == 0)
			return true;
	}
	return false;
}
