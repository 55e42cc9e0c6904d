/* The version of the library: of these headers, and of what a program runs with. */
#ifndef FF_BASE_VERSION_H
#define FF_BASE_VERSION_H

#define FF_VERSION_MAJOR 0
#define FF_VERSION_MINOR 1
#define FF_VERSION_PATCH 0
#define FF_VERSION	 "0.1.0"
/* To be compared with: FF_VERSION_NUMBER >= 100 is 0.1.0 and later. */
#define FF_VERSION_NUMBER (FF_VERSION_MAJOR * 10000 + FF_VERSION_MINOR * 100 + FF_VERSION_PATCH)

/* FF_VERSION and FF_VERSION_NUMBER of the library that is linked. */
const char *ff_version(void);
int ff_version_number(void);

#endif
