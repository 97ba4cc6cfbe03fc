/*-------------------------------------------------------------------------
 *
 * uri.c
 *	  References between schemas: URIs as RFC 3986 resolves them.
 *
 * Nothing is normalized but dot segments: two spellings of a URI are two
 * URIs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "schema/uri.h"
#include "text/ascii.h"

/* The parts of a URI reference; len is -1 where a part is not there. */
typedef struct Part
{
	const char *start;
	int			len;
} Part;

typedef struct Parts
{
	Part		scheme;
	Part		authority;
	Part		path;
	Part		query;
	Part		fragment;
} Parts;

/* How many characters the scheme has, or -1. */
static int
scheme_length(const char *uri)
{
	const char *p = uri;

	if (!evaudit_is_letter(*p))
		return -1;
	while (evaudit_is_alnum(*p) || *p == '+' || *p == '-' || *p == '.')
		p++;
	return *p == ':' ? (int) (p - uri) : -1;
}

/* Take a part that ends before one of the characters in "ends". */
static Part
take(const char **p, const char *ends)
{
	Part		part = {*p, (int) strcspn(*p, ends)};

	*p += part.len;
	return part;
}

/* Take a URI apart. */
static Parts
parse(const char *uri)
{
	static const Part absent = {NULL, -1};
	Parts		parts = {absent, absent, absent, absent, absent};
	const char *p = uri;

	parts.scheme.start = p;
	parts.scheme.len = scheme_length(uri);
	if (parts.scheme.len >= 0)
		p += parts.scheme.len + 1;
	if (p[0] == '/' && p[1] == '/')
	{
		p += 2;
		parts.authority = take(&p, "/?#");
	}
	parts.path = take(&p, "?#");
	if (*p == '?')
	{
		p++;
		parts.query = take(&p, "#");
	}
	if (*p == '#')
	{
		p++;
		parts.fragment = take(&p, "");
	}
	return parts;
}

/* Append a path without its "." and ".." segments. */
static void
append_path(StringInfo out, const char *path, int len)
{
	int			start = out->len;
	const char *end = path + len;
	bool		absolute = len > 0 && path[0] == '/';

	while (path < end)
	{
		const char *segment = path + (*path == '/');
		const char *next = segment;
		int			n;

		while (next < end && *next != '/')
			next++;
		n = (int) (next - segment);
		if ((n == 1 && segment[0] == '.') ||
			(n == 2 && segment[0] == '.' && segment[1] == '.'))
		{
			if (n == 2)
			{
				while (out->len > start && out->data[out->len - 1] != '/')
					out->len--;
				if (out->len > start)
					out->len--;
				out->data[out->len] = '\0';
			}
			if (next == end && (out->len > start || absolute))
				appendStringInfoChar(out, '/');
		}
		else
			appendBinaryStringInfo(out, path, (int) (next - path));
		path = next;
	}
}

/* Append a part, if it is there, between two marks. */
static void
append_part(StringInfo out, const char *before, Part part, const char *after)
{
	if (part.len < 0)
		return;
	appendStringInfoString(out, before);
	appendBinaryStringInfo(out, part.start, part.len);
	appendStringInfoString(out, after);
}

/* The path of a reference that is relative to the base's. */
static void
append_merged(StringInfo out, const Parts *base, Part path)
{
	StringInfoData merged;
	int			keep = base->path.len;

	initStringInfo(&merged);
	while (keep > 0 && base->path.start[keep - 1] != '/')
		keep--;
	if (base->authority.len >= 0 && base->path.len == 0)
		appendStringInfoChar(&merged, '/');
	appendBinaryStringInfo(&merged, base->path.start, keep);
	appendBinaryStringInfo(&merged, path.start, path.len);
	append_path(out, merged.data, merged.len);
	pfree(merged.data);
}

/* Resolve a reference against a base (RFC 3986, 5.2). */
char *
evaudit_uri_resolve(const char *base, const char *reference)
{
	Parts		b = parse(base);
	Parts		r = parse(reference);
	StringInfoData out;

	initStringInfo(&out);
	append_part(&out, "", r.scheme.len >= 0 ? r.scheme : b.scheme, ":");
	if (r.scheme.len >= 0 || r.authority.len >= 0)
	{
		append_part(&out, "//", r.authority, "");
		append_path(&out, r.path.start, r.path.len);
		append_part(&out, "?", r.query, "");
	}
	else
	{
		append_part(&out, "//", b.authority, "");
		if (r.path.len == 0)
		{
			appendBinaryStringInfo(&out, b.path.start, b.path.len);
			append_part(&out, "?", r.query.len >= 0 ? r.query : b.query, "");
		}
		else
		{
			if (r.path.start[0] == '/')
				append_path(&out, r.path.start, r.path.len);
			else
				append_merged(&out, &b, r.path);
			append_part(&out, "?", r.query, "");
		}
	}
	append_part(&out, "#", r.fragment, "");
	return out.data;
}

/* Cut the fragment off a URI; returns it, empty if there is none. */
char *
evaudit_uri_split(char *uri)
{
	char	   *hash = strchr(uri, '#');

	if (hash == NULL)
		return uri + strlen(uri);
	*hash = '\0';
	return hash + 1;
}

/* Does a URI name its scheme? */
bool
evaudit_uri_is_absolute(const char *uri)
{
	return scheme_length(uri) > 0;
}
