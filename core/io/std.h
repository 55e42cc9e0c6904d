/* The standard descriptors of a program. */
#ifndef FF_IO_STD_H
#define FF_IO_STD_H

/* For the very beginning of main: opens /dev/null on those of 0, 1 and 2 that are closed, since
 * what is opened next would get their numbers, and with them what is printed. Bit n of the result:
 * n was closed. */
unsigned ff_std_descriptors_open(void);

#endif
