/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  How the extension runs its own SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SPI_H
#define EVAUDIT_SPI_H

#include "executor/spi.h"

/* Most parameters that a statement of the extension takes. */
#define EVAUDIT_MAX_PARAMS		12

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
	/* private to spi.c */
	SPIPlanPtr	plan;
	char	   *schema;			/* what "$S" stood for */
} EvauditStatement;

/* What evaudit_spi_begin() changed, for evaudit_spi_end() to put back. */
typedef struct EvauditSpi
{
	Oid			user;
	int			security;
	int			guc_level;
} EvauditSpi;

extern void evaudit_spi_begin(EvauditSpi *spi);
extern void evaudit_spi_end(const EvauditSpi *spi);
extern uint64 evaudit_spi_execute(EvauditStatement *statement,
								  const Datum *values, const char *nulls);
extern uint64 evaudit_spi_read_latest(EvauditStatement *statement,
									  const Datum *values, const char *nulls);
extern char *evaudit_spi_text(int row, int column);
extern Datum evaudit_spi_datum(int row, int column, bool *isnull);

#endif							/* EVAUDIT_SPI_H */
