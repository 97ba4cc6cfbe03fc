/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  Keys of a profile in the shared configuration files of AWS.
 *
 * ~/.aws/credentials and ~/.aws/config, or what AWS_SHARED_CREDENTIALS_FILE
 * and AWS_CONFIG_FILE name, are read anew at each fetch; the profile is
 * AWS_PROFILE or "default".  A profile has keys, or a role to assume with
 * those of another profile or place, or by a web identity.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"

#include "aws/client_internal.h"

/* Most profiles that lead to one another. */
#define MAX_DEPTH		5

/* One line of a file. */
typedef struct Setting
{
	const char *profile;
	const char *name;
	const char *value;
} Setting;

/* Both files. */
typedef struct Profiles
{
	AwsCredentials *credentials;
	List	   *settings;		/* of Setting; the first of a name counts */
} Profiles;

static AwsFound keys_of_profile(const Profiles *profiles, const char *name,
								int depth, AwsKeys *keys);

/* Cut white space from both ends of a text. */
static char *
trim(char *str)
{
	char	   *end;

	str += strspn(str, " \t\r\n");
	end = str + strlen(str);
	while (end > str && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	*end = '\0';
	return str;
}

/* Cut a comment from the end of a value: white space, then # or ;. */
static void
cut_comment(char *value)
{
	for (char *c = value; *c != '\0'; c++)
	{
		if ((c[0] == ' ' || c[0] == '\t') && (c[1] == '#' || c[1] == ';'))
		{
			*c = '\0';
			return;
		}
	}
}

/*
 * The profile that a section "[profile x]" of the configuration file, or
 * "[x]" of the credentials file, is of; NULL if it is another kind.
 */
static const char *
section_profile(char *line, bool config)
{
	char	   *name = line + 1;
	char	   *end = strchr(name, ']');

	if (end == NULL)
		return NULL;
	*end = '\0';
	name = trim(name);
	if (!config || strcmp(name, "default") == 0)
		return name;
	if (strncmp(name, "profile", 7) != 0 || strchr(" \t", name[7]) == NULL)
		return NULL;
	return trim(name + 7);
}

/* Add the settings of a file, whose text is cut to pieces. */
static void
read_settings(Profiles *profiles, char *str, bool config)
{
	const char *profile = NULL;
	char	   *rest;

	for (char *line = strtok_r(str, "\n", &rest); line != NULL;
		 line = strtok_r(NULL, "\n", &rest))
	{
		char	   *equals = strchr(line, '=');
		Setting    *setting;

		if (*line == '[')
			profile = section_profile(line, config);
		/* what is indented belongs to a setting that has more of them */
		if (strchr("[#; \t\r", *line) != NULL || profile == NULL ||
			equals == NULL)
			continue;
		*equals = '\0';
		cut_comment(equals + 1);
		setting = palloc(sizeof(Setting));
		setting->profile = profile;
		setting->name = trim(line);
		setting->value = trim(equals + 1);
		profiles->settings = lappend(profiles->settings, setting);
	}
}

/* A setting of a profile, or NULL if it is not there or empty. */
static const char *
get(const Profiles *profiles, const char *profile, const char *name)
{
	ListCell   *lc;

	foreach(lc, profiles->settings)
	{
		Setting    *setting = lfirst(lc);

		if (strcmp(setting->profile, profile) == 0 &&
			pg_strcasecmp(setting->name, name) == 0)
			return *setting->value == '\0' ? NULL : setting->value;
	}
	return NULL;
}

/* Whether there is a profile. */
static bool
profile_exists(const Profiles *profiles, const char *profile)
{
	ListCell   *lc;

	foreach(lc, profiles->settings)
	{
		if (strcmp(((Setting *) lfirst(lc))->profile, profile) == 0)
			return true;
	}
	return false;
}

/* The path of a file that a variable names, or in the folder of the user. */
static char *
path_of(const char *variable, const char *name)
{
	const char *path = evaudit_aws_variable(variable);
	const char *home = evaudit_aws_variable("HOME");

	if (path == NULL)
		return home == NULL ? NULL : psprintf("%s/.aws/%s", home, name);
	if (strncmp(path, "~/", 2) == 0 && home != NULL)
		return psprintf("%s/%s", home, path + 2);
	return pstrdup(path);
}

/* Read one of the files.  Its text is returned, to be wiped in the end. */
static bool
read_profiles(Profiles *profiles, const char *path, bool config,
			  char **str, size_t *len)
{
	const char *error;

	*str = NULL;
	if (path == NULL)
		return true;
	*str = evaudit_aws_read_file(path, &error);
	if (error != NULL)
	{
		evaudit_aws_fault(profiles->credentials, "%s", error);
		return false;
	}
	if (*str != NULL)
	{
		*len = strlen(*str);
		read_settings(profiles, *str, config);
	}
	return true;
}

/* The keys that stand in a profile themselves. */
static AwsFound
own_keys(const Profiles *profiles, const char *name, AwsKeys *keys)
{
	const char *key_id = get(profiles, name, "aws_access_key_id");
	const char *secret = get(profiles, name, "aws_secret_access_key");
	const char *token = get(profiles, name, "aws_session_token");

	if (key_id == NULL)
		return AWS_NOT_THERE;
	if (secret == NULL)
		return evaudit_aws_fault(profiles->credentials,
								 "AWS profile \"%s\" has an aws_access_key_id without aws_secret_access_key",
								 name);
	keys->key_id = pstrdup(key_id);
	keys->secret = pstrdup(secret);
	keys->token = token == NULL ? NULL : pstrdup(token);
	return AWS_FOUND;
}

/* The keys of a place that a profile names as its credential_source. */
static AwsFound
keys_of_source(const Profiles *profiles, const char *source, AwsKeys *keys)
{
	AwsCredentials *credentials = profiles->credentials;
	AwsFound	found = AWS_NOT_THERE;

	if (strcmp(source, "Environment") == 0)
		found = evaudit_aws_environment(credentials, keys);
	else if (strcmp(source, "EcsContainer") == 0)
		found = evaudit_aws_container(credentials, keys);
	else if (strcmp(source, "Ec2InstanceMetadata") == 0)
		found = evaudit_aws_instance(credentials, keys);
	if (found == AWS_NOT_THERE)
		return evaudit_aws_fault(credentials,
								 "credential_source \"%s\" of an AWS profile has no credentials",
								 source);
	return found;
}

/* Assume the role of a profile. */
static AwsFound
assume_role(const Profiles *profiles, const char *name, int depth,
			AwsKeys *keys)
{
	AwsCredentials *credentials = profiles->credentials;
	AwsRole		role = {
		.arn = get(profiles, name, "role_arn"),
		.external_id = get(profiles, name, "external_id"),
		.session_name = get(profiles, name, "role_session_name"),
		.duration = get(profiles, name, "duration_seconds")
	};
	const char *token_file = get(profiles, name, "web_identity_token_file");
	const char *profile = get(profiles, name, "source_profile");
	const char *source = get(profiles, name, "credential_source");
	AwsKeys		with = {0};
	AwsFound	found;

	if (token_file != NULL)
		return evaudit_aws_assume_by_token(credentials, &role, token_file,
										   keys);
	if (get(profiles, name, "mfa_serial") != NULL)
		return evaudit_aws_fault(credentials,
								 "AWS profile \"%s\" needs a code from a person (mfa_serial)",
								 name);
	if (profile != NULL && strcmp(profile, name) == 0)
		found = own_keys(profiles, name, &with);
	else if (profile != NULL)
		found = keys_of_profile(profiles, profile, depth + 1, &with);
	else if (source != NULL)
		found = keys_of_source(profiles, source, &with);
	else
		found = AWS_NOT_THERE;

	if (found == AWS_NOT_THERE)
		return evaudit_aws_fault(credentials,
								 "AWS profile \"%s\" has a role_arn, but no credentials to assume it with",
								 name);
	with.source = "shared configuration";
	if (found == AWS_FOUND)
		found = evaudit_aws_check_keys(credentials, &with);
	if (found == AWS_FOUND)
		found = evaudit_aws_assume_role(credentials, &role, &with, keys);
	if (with.secret != NULL)
		explicit_bzero(with.secret, strlen(with.secret));
	return found;
}

/* The keys of a profile. */
static AwsFound
keys_of_profile(const Profiles *profiles, const char *name, int depth,
				AwsKeys *keys)
{
	if (depth > MAX_DEPTH)
		return evaudit_aws_fault(profiles->credentials,
								 "AWS profile \"%s\" is too far down a chain of source_profile",
								 name);
	if (!profile_exists(profiles, name))
		return AWS_NOT_THERE;
	if (get(profiles, name, "role_arn") != NULL)
		return assume_role(profiles, name, depth, keys);
	return own_keys(profiles, name, keys);
}

/* The keys of the profile that the environment chooses. */
AwsFound
evaudit_aws_profile(AwsCredentials *credentials, AwsKeys *keys)
{
	Profiles	profiles = {.credentials = credentials};
	const char *chosen = evaudit_aws_variable("AWS_PROFILE");
	char	   *texts[2] = {NULL, NULL};
	size_t		lens[2] = {0, 0};
	AwsFound	found = AWS_FAILED;

	/* what the credentials file says comes first */
	if (read_profiles(&profiles,
					  path_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
					  false, &texts[0], &lens[0]) &&
		read_profiles(&profiles, path_of("AWS_CONFIG_FILE", "config"),
					  true, &texts[1], &lens[1]))
		found = keys_of_profile(&profiles, chosen != NULL ? chosen : "default",
								1, keys);
	if (found == AWS_NOT_THERE && chosen != NULL)
		found = evaudit_aws_fault(credentials,
								  "AWS profile \"%s\" has no credentials that can be used",
								  chosen);
	for (int i = 0; i < lengthof(texts); i++)
	{
		if (texts[i] != NULL)
			explicit_bzero(texts[i], lens[i]);
	}
	return found;
}
