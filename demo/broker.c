/*-------------------------------------------------------------------------
 *
 * broker.c
 *	  A Kafka broker for the demo: librdkafka's mock cluster, and no more.
 *
 * Usage: broker TOPIC PARTITIONS FILE.  It writes the address to connect to
 * into the file, and lives until its standard input ends.  Messages are in memory alone, the
 * last 5 MB of each partition; transactions, offsets by time and security
 * are beyond it.
 *
 *-------------------------------------------------------------------------
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
	char		errstr[512];
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;
	FILE	   *file;

	if (argc != 4)
	{
		fprintf(stderr, "usage: broker TOPIC PARTITIONS FILE\n");
		return 2;
	}

	/* the cluster lives inside of a client, which does nothing else */
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(),
					  errstr, sizeof(errstr));
	if (rk == NULL)
	{
		fprintf(stderr, "broker: %s\n", errstr);
		return 1;
	}
	cluster = rd_kafka_mock_cluster_new(rk, 1);
	if (cluster == NULL ||
		rd_kafka_mock_topic_create(cluster, argv[1], atoi(argv[2]), 1))
	{
		fprintf(stderr, "broker: could not start\n");
		return 1;
	}

	file = fopen(argv[3], "w");
	if (file == NULL ||
		fprintf(file, "%s\n", rd_kafka_mock_cluster_bootstraps(cluster)) < 0 ||
		fclose(file) != 0)
	{
		perror(argv[3]);
		return 1;
	}
	while (getchar() != EOF)
		;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
	return 0;
}
