/* Integers as decimal text, of any size; private to serialize*.c. */
#ifndef FF_WIRE_DECIMAL_H
#define FF_WIRE_DECIMAL_H

#include "wire/value.h"

/* An optional sign and at least one digit, nothing else. */
bool ff_is_decimal(const char *text, size_t len);

/* The integer that such a text says: INT where that holds it, else BIGINT in its shortest form.
 * That one borrows `text`, which is changed for it. */
struct ff_value ff_decimal_value(char *text, size_t len);

#endif
