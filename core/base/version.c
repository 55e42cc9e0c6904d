/* The version that was built. */
#include "base/version.h"

_Static_assert(sizeof(FF_VERSION) == sizeof(FARFLUNG_VERSION), "the project has another version");

const char *ff_version(void)
{
	return FF_VERSION;
}

int ff_version_number(void)
{
	return FF_VERSION_NUMBER;
}
