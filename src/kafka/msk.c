/*-------------------------------------------------------------------------
 *
 * msk.c
 *	  The tokens by which a client logs in at Amazon MSK.
 *
 * The library opens no connection before it has a token, and says in time
 * when it wants the next one.  It says so within its own frames, so there only
 * a flag is set; the token is made by the worker's loop, which checks the
 * client, and while it waits for a request.  Credentials that are due by then may take
 * seconds, on the latch; the library's threads go on meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "aws/client.h"
#include "kafka/msk.h"
#include "server/epoch.h"

/* The library wants a token; a producer's says so by an event. */
static void
token_callback(rd_kafka_t *client, const char *config, void *opaque)
{
	((EvauditKafka *) opaque)->token_wanted = true;
}

/*
 * Have tokens made for a client that is configured by these options; nothing
 * where they do not ask for it.
 */
void
evaudit_kafka_msk_open(EvauditKafka *kafka, rd_kafka_conf_t *conf,
					   List *options, bool ambient)
{
	if (!evaudit_kafka_uses_msk(options))
		return;
	kafka->msk = evaudit_aws_msk_open(evaudit_kafka_msk_options(options),
									  ambient);
	rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, token_callback);
}

/* Give the library a token; returns NULL, or why it has none. */
static const char *
set_token(EvauditKafka *kafka)
{
	char		error[256];
	char	   *token;
	const char *reason;
	TimestampTz expires;
	rd_kafka_resp_err_t err;

	reason = evaudit_aws_msk_token(kafka->msk, &token, &expires);
	if (reason != NULL)
		return reason;
	err = rd_kafka_oauthbearer_set_token(kafka->client, token,
										 evaudit_epoch_millis(expires),
										 "evaudit", NULL, 0,
										 error, sizeof(error));
	explicit_bzero(token, strlen(token));
	return err ? pstrdup(error) : NULL;
}

/* The first token, without which there is no client. */
void
evaudit_kafka_msk_begin(EvauditKafka *kafka)
{
	const char *reason;

	if (kafka->msk == NULL)
		return;
	reason = set_token(kafka);
	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not make a token for Amazon MSK: %s", reason)));
}

/*
 * The next token, if the library wants one.  Where there is none the library
 * reports that as the client's error, and asks again.
 */
void
evaudit_kafka_msk_renew(EvauditKafka *kafka)
{
	MemoryContext context;
	MemoryContext previous;
	const char *reason;

	if (kafka->msk == NULL || !kafka->token_wanted)
		return;
	kafka->token_wanted = false;
	context = AllocSetContextCreate(CurrentMemoryContext, "evaudit token",
									ALLOCSET_SMALL_SIZES);
	previous = MemoryContextSwitchTo(context);
	reason = set_token(kafka);
	if (reason != NULL)
		(void) rd_kafka_oauthbearer_set_token_failure(kafka->client, reason);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* The client is closed. */
void
evaudit_kafka_msk_close(EvauditKafka *kafka)
{
	if (kafka->msk != NULL)
		evaudit_aws_msk_close(kafka->msk);
	kafka->msk = NULL;
}
