/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  Settings that the text of a value depends on, held still for a while.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PIN_H
#define EVAUDIT_PIN_H

/* Zero before the first use; a level of the settings' stack once pinned. */
typedef struct EvauditPin
{
	int			level;
} EvauditPin;

extern void evaudit_pin_settings(EvauditPin *pin);
extern void evaudit_unpin_settings(EvauditPin *pin);

#endif							/* EVAUDIT_PIN_H */
