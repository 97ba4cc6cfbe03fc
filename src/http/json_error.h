/*-------------------------------------------------------------------------
 *
 * json_error.h
 *	  Where a text stops being JSON, in the words of Python's decoder.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_JSON_ERROR_H
#define EVAUDIT_HTTP_JSON_ERROR_H

/*
 * What that decoder says to a text of UTF-8, and at which character, counted
 * from 0; NULL if it finds no fault.
 */
extern const char *evaudit_json_error_of_python(const char *json, size_t len,
												int *place);

#endif							/* EVAUDIT_HTTP_JSON_ERROR_H */
