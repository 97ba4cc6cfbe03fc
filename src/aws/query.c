/*-------------------------------------------------------------------------
 *
 * query.c
 *	  The older protocol of AWS, of STS and SNS: a form is sent, XML comes
 *	  back.
 *
 * No parser of XML is needed for what comes back: elements are found by their
 * tags, which no text can hold, since it must write "<" as an entity.  Of a
 * document that is none, nothing is found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "aws/client_internal.h"
#include "text/ascii.h"

/* Append a field of a form, with what is not plain escaped; NULL: none. */
void
evaudit_aws_form_field(StringInfo form, const char *name, const char *value)
{
	if (value != NULL)
		evaudit_aws_form_bytes(form, name, value, strlen(value));
}

/* The same of bytes. */
void
evaudit_aws_form_bytes(StringInfo form, const char *name, const char *value,
					   size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	appendStringInfo(form, "%s%s=", form->len > 0 ? "&" : "", name);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = value[i];

		if (evaudit_is_alnum(c) || (c != '\0' && strchr("-_.~", c) != NULL))
			appendStringInfoCharMacro(form, c);
		else
		{
			appendStringInfoCharMacro(form, '%');
			appendStringInfoCharMacro(form, digits[c >> 4]);
			appendStringInfoCharMacro(form, digits[c & 15]);
		}
	}
}

/*
 * What is in the first such element, as it stands, palloc'd; NULL if there is
 * none.  *rest is what follows the element.
 */
char *
evaudit_aws_xml_element(const char *xml, const char *element,
						const char **rest)
{
	char	   *open = psprintf("<%s>", element);
	char	   *close = psprintf("</%s>", element);
	const char *from = strstr(xml, open);
	const char *to = from == NULL ? NULL : strstr(from, close);

	if (to == NULL)
		return NULL;
	from += strlen(open);
	if (rest != NULL)
		*rest = to + strlen(close);
	return pnstrdup(from, to - from);
}

/* The text of the first such element of an XML document, or NULL. */
char *
evaudit_aws_xml_text(const char *xml, const char *element)
{
	static const char *const entities[][2] = {
		{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"},
		{"&amp;", "&"},
	};
	char	   *from = evaudit_aws_xml_element(xml, element, NULL);
	StringInfoData str;

	if (from == NULL)
		return NULL;
	initStringInfo(&str);
	while (*from != '\0')
	{
		const char *character = from;
		size_t		len = 1;

		for (int i = 0; i < lengthof(entities); i++)
		{
			if (strncmp(from, entities[i][0], strlen(entities[i][0])) == 0)
			{
				character = entities[i][1];
				len = strlen(entities[i][0]);
				break;
			}
		}
		appendStringInfoChar(&str, *character);
		from += len;
	}
	return str.data;
}
