-- The sequence of audit, altered by its owner: its limits are kept.
CREATE TABLE drawn (id int PRIMARY KEY);
SELECT evaudit.track('drawn');
CREATE SEQUENCE row_number;
CREATE PROCEDURE draw(n int) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE audit;
	INSERT INTO drawn SELECT nextval('row_number') FROM generate_series(1, n);
END $$;

-- INCREMENT and START.
ALTER SEQUENCE audit_seq_seq INCREMENT 10 RESTART 5000000;
CALL draw(3);
SELECT seq FROM audit ORDER BY seq;
SELECT last_value, is_called, nextval('audit_seq_seq') FROM audit_seq_seq;
CALL draw(1);
SELECT seq FROM audit ORDER BY seq;
ALTER SEQUENCE audit_seq_seq INCREMENT 1;
CALL draw(2);
SELECT seq FROM audit ORDER BY seq;

-- MAXVALUE, reached and raised; the last number is used.
ALTER SEQUENCE audit_seq_seq MAXVALUE 5000043;
CALL draw(1);
CALL draw(1);
SELECT seq FROM audit ORDER BY seq;
CALL draw(1);
SELECT last_value, is_called FROM audit_seq_seq;
ALTER SEQUENCE audit_seq_seq INCREMENT 7 MAXVALUE 5000050;
CALL draw(1);
CALL draw(1);
SELECT last_value, is_called FROM audit_seq_seq;
ALTER SEQUENCE audit_seq_seq INCREMENT 1 NO MAXVALUE;
CALL draw(1);
SELECT seq FROM audit ORDER BY seq;
-- What another type allows.
ALTER SEQUENCE audit_seq_seq AS int RESTART 2147483647;
CALL draw(1);
CALL draw(1);
SELECT seq FROM audit ORDER BY seq;
ALTER SEQUENCE audit_seq_seq AS bigint NO MAXVALUE;

-- 2^63 - 1 is the last number; it never turns over.
SELECT setval('audit_seq_seq', 9223372036854775805);
CALL draw(2);
SELECT seq FROM audit ORDER BY seq;
CALL draw(1);
DO $$
BEGIN
	INSERT INTO drawn VALUES (-1);
EXCEPTION WHEN sequence_generator_limit_exceeded THEN
	RAISE NOTICE 'refused';
END $$;
SELECT last_value, is_called FROM audit_seq_seq;
-- From the least number on; distances beyond an int64.
ALTER SEQUENCE audit_seq_seq MINVALUE -9223372036854775808
	RESTART -9223372036854775808;
CALL draw(2);
SELECT seq FROM audit ORDER BY seq;
ALTER SEQUENCE audit_seq_seq INCREMENT 9223372036854775807;
CALL draw(1);
SELECT seq FROM audit ORDER BY seq;
CALL draw(2);
ALTER SEQUENCE audit_seq_seq INCREMENT 1 MINVALUE 1 RESTART 6000000;

-- What would not be an order is refused.
ALTER SEQUENCE audit_seq_seq INCREMENT -1;
CALL draw(1);
ALTER SEQUENCE audit_seq_seq INCREMENT 1 CYCLE;
CALL draw(1);
ALTER SEQUENCE audit_seq_seq NO CYCLE;
CALL draw(1);
SELECT seq FROM audit;
-- A cache is for others: captures draw one number at a time.
ALTER SEQUENCE audit_seq_seq CACHE 100;
CALL draw(2);
SELECT seq - min(seq) OVER () AS n FROM audit ORDER BY seq;
ALTER SEQUENCE audit_seq_seq CACHE 1;
-- lastval() is the application's.
SELECT lastval() = currval('row_number') AS undisturbed;

DROP PROCEDURE draw(int);
DROP SEQUENCE row_number;
DROP TABLE drawn;
TRUNCATE audit;
