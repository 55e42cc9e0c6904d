// The library from C++: a worker squares numbers, errors become exceptions, the end is a destructor's.
//
//     cpp_squares [XSPEC]        default: popen
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "farflung.h"

namespace {

const int end_ms = 5000, wait_ms = 30000;

void check(int rc, const ff_err &err)
{
	if (rc < 0)
		throw std::runtime_error(std::string(ff_err_name(rc)) + ": " + err.text);
}

struct Group {
	ff_loop *loop;
	ff_group *group;
	ff_err err{};

	Group() : loop(ff_loop_new(&err)), group(loop ? ff_open_group(loop, &err) : nullptr)
	{
		if (!group) {
			ff_loop_free(loop);
			check(err.code, err);
		}
	}
	~Group()
	{
		ff_group_terminate(group, end_ms);
		ff_group_free(group);
		ff_loop_free(loop);
	}
	Group(const Group &) = delete;
	Group &operator=(const Group &) = delete;
};

using Channel = std::unique_ptr<ff_channel, decltype(&ff_channel_unref)>;

long long square(ff_channel *channel, int number)
{
	ff_err err{};
	ff_item item = FF_ITEM_INIT;
	ff_value value = ff_int(number);

	check(ff_channel_send(channel, &value, &err), err);
	check(ff_channel_receive(channel, wait_ms, &item, &err), err);
	long long result = ff_as_int(&item.value, -1);
	ff_item_release(&item);
	return result;
}

void run(const char *spec)
{
	Group group;
	ff_task task{};
	ff_gateway *gateway = ff_makegateway(group.group, spec, &group.err);

	if (!gateway)
		check(group.err.code, group.err);
	task.source = "for number in channel: channel.send(number * number)";
	Channel channel(ff_gateway_remote_exec(gateway, &task, &group.err), ff_channel_unref);
	if (!channel)
		check(group.err.code, group.err);
	for (int number = 1; number <= 5; number++) {
		long long result = square(channel.get(), number);

		if (result != number * number)
			throw std::runtime_error("not the square");
		std::printf("%d squared is %lld\n", number, result);
	}
}

} // namespace

int main(int argc, char **argv)
{
	if (ff_version_number() != FF_VERSION_NUMBER)
		std::printf("built for %s, running with %s\n", FF_VERSION, ff_version());
	try {
		run(argc > 1 ? argv[1] : "popen");
	} catch (const std::exception &error) {
		std::fprintf(stderr, "cpp_squares: %s\n", error.what());
		return 1;
	}
	return 0;
}
