/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  How the extension runs its own SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SPI_H
#define EVAUDIT_SPI_H

#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "utils/jsonb.h"

/* Most parameters that a statement of the extension takes. */
#define EVAUDIT_MAX_PARAMS		19

/*
 * A statement whose plan is kept for the life of the backend.  Declare it
 * static, with sql and types filled in; every "$S" in sql stands for the
 * quoted schema that the extension was created in.
 */
typedef struct EvauditStatement
{
	const char *sql;
	int			nparams;
	Oid			types[EVAUDIT_MAX_PARAMS];
	int			plan_options;	/* CURSOR_OPT_GENERIC_PLAN or _CUSTOM_PLAN */
	/* private to spi.c */
	SPIPlanPtr	plan;
	char	   *schema;			/* what "$S" stood for */
} EvauditStatement;

/* What the beginning changed, for evaudit_spi_end() to put back. */
typedef struct EvauditSpi
{
	Oid			user;
	int			security;
	int			guc_level;
} EvauditSpi;

extern void evaudit_spi_begin(EvauditSpi *spi);
extern void evaudit_spi_begin_as(EvauditSpi *spi, Oid role);
extern void evaudit_spi_begin_for(EvauditSpi *spi, Oid role);
extern void evaudit_spi_begin_on(EvauditSpi *spi, Oid table);
extern void evaudit_spi_end(const EvauditSpi *spi);
extern void evaudit_spi_discard(EvauditStatement *statement);
extern uint64 evaudit_spi_execute(EvauditStatement *statement,
								  const Datum *values, const char *nulls);
extern uint64 evaudit_spi_read_latest(EvauditStatement *statement,
									  const Datum *values, const char *nulls);
extern uint64 evaudit_spi_read(EvauditStatement *statement,
							   const Datum *values, const char *nulls);
extern Portal evaudit_spi_open(EvauditStatement *statement,
							   const Datum *values, const char *nulls);

/*
 * Columns of the result; rows and columns count from 0, columns by an enum
 * beside the query.  Null, or a value of another type, is an ERROR, but where
 * the name says otherwise.
 */
extern bool evaudit_spi_bool(int row, int column);
extern Oid	evaudit_spi_oid(int row, int column);
extern Oid	evaudit_spi_oid_or_invalid(int row, int column);
extern int32 evaudit_spi_int32(int row, int column);
extern int64 evaudit_spi_int64(int row, int column);
extern TimestampTz evaudit_spi_timestamptz(int row, int column);
extern Jsonb *evaudit_spi_jsonb(int row, int column);
extern Jsonb *evaudit_spi_jsonb_or_null(int row, int column);
extern char *evaudit_spi_text(int row, int column);
extern char *evaudit_spi_text_or_null(int row, int column);
extern bytea *evaudit_spi_bytea_or_null(int row, int column);
extern bool evaudit_spi_is_null(int row, int column);
extern Datum evaudit_spi_datum_of(int row, int column, Oid type);
extern Datum evaudit_spi_datum(int row, int column, bool *isnull);

/* Parameters that are arrays, of one dimension; nulls may be NULL: none. */
extern Datum evaudit_spi_array(Datum *values, bool *nulls, int n, Oid type);
extern Datum evaudit_spi_int64_array(const int64 *numbers, int n);

#endif							/* EVAUDIT_SPI_H */
