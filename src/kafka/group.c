/*-------------------------------------------------------------------------
 *
 * group.c
 *	  Positions that are committed to a consumer group, for others to see.
 *
 * Tools that show the lag of consumers read the offsets of groups.  Nobody is a
 * member of this one, and nothing is read back: Postgres alone says where
 * reading continues.  One commit is under way at a time, and nothing waits for
 * it; what came meanwhile goes with the next one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/client_internal.h"

/* The library's callback, from serve_consumer(): a commit has ended. */
void
evaudit_kafka_group_committed(rd_kafka_t *client, rd_kafka_resp_err_t err,
							  rd_kafka_topic_partition_list_t *offsets,
							  void *opaque)
{
	EvauditKafka *kafka = opaque;

	for (int i = 0; offsets != NULL && i < offsets->cnt && !err; i++)
		err = offsets->elems[i].err;
	kafka->committing = false;
	kafka->commit_ended = true;
	kafka->commit_error = err;
}

/*
 * Begin to commit positions to the client's group; false if the commit before
 * is under way.
 */
bool
evaudit_kafka_group_commit(EvauditKafka *kafka,
						   const EvauditKafkaOffset *offsets, int n)
{
	rd_kafka_topic_partition_list_t *list;

	if (kafka->committing)
		return false;
	list = evaudit_kafka_client_list(offsets, n);
	kafka->committing = true;
	kafka->commit_error = rd_kafka_commit(kafka->client, list, true);
	if (kafka->commit_error != RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		kafka->committing = false;
		kafka->commit_ended = true;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return true;
}

/*
 * Whether a commit has ended since the last call, with the reason, palloc'd, if
 * it failed, else NULL.
 */
bool
evaudit_kafka_group_commit_ended(EvauditKafka *kafka, char **error)
{
	*error = NULL;
	if (!kafka->commit_ended)
		return false;
	kafka->commit_ended = false;
	if (kafka->commit_error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
		*error = pstrdup("the group has members of its own, whose offsets these are");
	else if (kafka->commit_error != RD_KAFKA_RESP_ERR_NO_ERROR)
		*error = pstrdup(rd_kafka_err2str(kafka->commit_error));
	return true;
}
