-- No server splits or merges partitions so far.  One that does makes tables to
-- which evaudit.track_partitions() must give their TRUNCATE triggers.
CREATE TABLE halves (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE halves_all PARTITION OF halves FOR VALUES FROM (0) TO (10);
SELECT evaudit.track('halves');
ALTER TABLE halves SPLIT PARTITION halves_all INTO
	(PARTITION halves_low FOR VALUES FROM (0) TO (5),
	 PARTITION halves_high FOR VALUES FROM (5) TO (10));
ALTER TABLE halves MERGE PARTITIONS (halves_low, halves_high) INTO halves_all;
DROP TABLE halves;
