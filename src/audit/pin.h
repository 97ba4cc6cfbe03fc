/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  Settings that the text of a value depends on, held still for a while.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PIN_H
#define EVAUDIT_PIN_H

/* Zero before the first use; once set, a level of the settings' stack. */
typedef struct EvauditPin
{
	int			level;
} EvauditPin;

extern void evaudit_pin_settings(EvauditPin *pin);
extern void evaudit_unpin_settings(EvauditPin *pin);

#endif							/* EVAUDIT_PIN_H */
