/* The list of payloads. */
#include <string.h>

#include "command/command.h"
#include "ctest/ctest.h"
#include "gtest/gtest.h"
#include "payload.h"
#include "pytest/pytest.h"
#include "tap/tap.h"

const struct ff_payload *const ff_payloads[] = {
	&ff_payload_command, &ff_payload_pytest, &ff_payload_ctest,
	&ff_payload_gtest,   &ff_payload_tap,	 NULL,
};

const struct ff_payload *ff_payload_find(const char *name)
{
	for (const struct ff_payload *const *payload = ff_payloads; *payload; payload++)
		if (!strcmp((*payload)->name, name))
			return *payload;
	return NULL;
}
