/*-------------------------------------------------------------------------
 *
 * assets.c
 *	  The files of Swagger UI, which the page at /docs loads.
 *
 * Only plain names of one folder are served: nothing that a URI can say leads
 * out of it.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assets.h"
#include "config.h"

/* Below this path they are served. */
#define PREFIX		"/swagger-ui/"

/* The media type of a name, or NULL: it is not served. */
static const char *
media_type(const char *name)
{
	static const char *const types[][2] = {
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".png", "image/png"},
	};
	size_t		len = strlen(name);

	for (int i = 0; i < 3; i++)
	{
		size_t		end = strlen(types[i][0]);

		if (len > end && strcmp(name + len - end, types[i][0]) == 0)
			return types[i][1];
	}
	return NULL;
}

/* Open the file of a URI; -1 if there is none to be served. */
int
asset_open(const char *uri, const char **type, size_t *size)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *name = uri + strlen(PREFIX);
	char		path[4096];
	struct stat st;
	int			fd;

	if (config.docs_assets == NULL ||
		strncmp(uri, PREFIX, strlen(PREFIX)) != 0 ||
		name[0] == '.' || name[strspn(name, allowed)] != '\0' ||
		(*type = media_type(name)) == NULL)
		return -1;
	if (snprintf(path, sizeof(path), "%s/%s", config.docs_assets, name) >=
		(int) sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
	{
		close(fd);
		return -1;
	}
	*size = st.st_size;
	return fd;
}
