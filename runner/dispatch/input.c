/* Inputs and their queue; what they carry is copied into each one's own arena. */
#include "dispatch/input.h"

#include <string.h>

#include "base/alloc.h"

/* One for the whole process, as its environment is. */
static const struct ff_mask *masking;

void ff_input_mask(const struct ff_mask *mask)
{
	masking = mask && mask->len > 0 ? mask : NULL;
}

const struct ff_mask *ff_input_masking(void)
{
	return masking;
}

struct ff_input *ff_input_new(enum ff_input_kind kind)
{
	struct ff_input *input = ff_xcalloc(1, sizeof(*input));

	input->kind = kind;
	return input;
}

void ff_input_free(struct ff_input *input)
{
	if (!input)
		return;
	ff_arena_release(&input->arena);
	ff_free(input);
}

const char *ff_input_word(enum ff_input_kind kind)
{
	static const char *const words[] = {
#define X(name) #name,
		FF_INPUT_MAP(X)
#undef X
	};

	return (unsigned)kind < FF_INPUT_KINDS ? words[kind] : "?";
}

static void *take(struct ff_input *input, size_t size)
{
	void *memory = ff_arena_alloc(&input->arena, size ? size : 1);

	return memory ? memory : ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
}

const char *ff_input_bytes(struct ff_input *input, const char *bytes, size_t len)
{
	char *copy;

	if (!bytes)
		return NULL;
	copy = take(input, len + 1);
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

const char *ff_input_words(struct ff_input *input, const char *text, size_t *len)
{
	struct ff_buf masked = FF_BUF_INIT;
	const char *copy;

	if (!text || !masking || !ff_mask_finds(masking, text, *len))
		return ff_input_bytes(input, text, *len);
	ff_mask_put(masking, text, *len, &masked);
	*len = masked.len;
	copy = ff_input_bytes(input, (const char *)ff_buf_data(&masked), masked.len);
	ff_buf_release(&masked);
	return copy;
}

const char *ff_input_text(struct ff_input *input, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	return ff_input_words(input, text, &len);
}

const uint32_t *ff_input_units(struct ff_input *input, const uint32_t *units, size_t len)
{
	uint32_t *copy = take(input, (len + 1) * sizeof(*copy));

	if (len > 0)
		memcpy(copy, units, len * sizeof(*copy));
	return copy;
}

const char *const *ff_input_lines(struct ff_input *input, const char *const *lines)
{
	const char **copy;
	size_t len = 0;

	if (!lines)
		return NULL;
	while (lines[len])
		len++;
	copy = take(input, (len + 1) * sizeof(*copy));
	for (size_t i = 0; i < len; i++)
		copy[i] = ff_input_text(input, lines[i]);
	copy[len] = NULL;
	return copy;
}

const struct ff_fact *ff_input_facts(struct ff_input *input, const struct ff_fact *facts,
				     size_t len)
{
	struct ff_fact *copy = take(input, len * sizeof(*copy));

	for (size_t i = 0; i < len; i++)
		copy[i] = (struct ff_fact){ff_input_text(input, facts[i].key),
					   ff_input_text(input, facts[i].value)};
	return copy;
}

const struct ff_payload_mark *ff_input_marks(struct ff_input *input,
					     const struct ff_payload_mark *marks, size_t len)
{
	struct ff_payload_mark *copy = take(input, (len + 1) * sizeof(*copy));

	for (size_t i = 0; i < len; i++) {
		copy[i] = marks[i];
		copy[i].group = ff_input_text(input, marks[i].group);
		copy[i].host = ff_input_text(input, marks[i].host);
		copy[i].resources = ff_input_lines(input, marks[i].resources);
		copy[i].after = ff_input_units(input, marks[i].after, marks[i].after_len);
		copy[i].needs = ff_input_units(input, marks[i].needs, marks[i].needs_len);
		copy[i].skip = ff_input_text(input, marks[i].skip);
	}
	return copy;
}

static void copy_parts(struct ff_input *input, struct ff_result *copy)
{
	struct ff_section *sections = take(input, copy->sections_len * sizeof(*sections));
	struct ff_phase *phases = take(input, copy->phases_len * sizeof(*phases));
	struct ff_property *properties = take(input, copy->properties_len * sizeof(*properties));

	for (size_t i = 0; i < copy->sections_len; i++) {
		sections[i] = copy->sections[i];
		sections[i].title = ff_input_text(input, sections[i].title);
		sections[i].text = ff_input_words(input, sections[i].text, &sections[i].len);
	}
	for (size_t i = 0; i < copy->phases_len; i++) {
		phases[i] = copy->phases[i];
		phases[i].when = ff_input_text(input, phases[i].when);
		phases[i].message = ff_input_text(input, phases[i].message);
		phases[i].longrepr = ff_input_text(input, phases[i].longrepr);
	}
	for (size_t i = 0; i < copy->properties_len; i++)
		properties[i] =
			(struct ff_property){ff_input_text(input, copy->properties[i].name),
					     ff_input_text(input, copy->properties[i].value)};
	copy->sections = sections;
	copy->phases = phases;
	copy->properties = properties;
}

const struct ff_result *ff_input_result(struct ff_input *input, const struct ff_result *result)
{
	struct ff_result *copy = take(input, sizeof(*copy));

	*copy = *result;
	copy->message = ff_input_text(input, result->message);
	copy->longrepr = ff_input_text(input, result->longrepr);
	copy->file = ff_input_text(input, result->file);
	copy->limits = ff_input_text(input, result->limits);
	copy->front = ff_input_bytes(input, result->front, result->front_len);
	copy_parts(input, copy);
	return copy;
}

void ff_inputs_put(struct ff_inputs *inputs, struct ff_input *input)
{
	if (inputs->last)
		inputs->last->next = input;
	else
		inputs->first = input;
	inputs->last = input;
	input->next = NULL;
}

struct ff_input *ff_inputs_take(struct ff_inputs *inputs)
{
	struct ff_input *first = inputs->first;

	if (!first)
		return NULL;
	inputs->first = first->next;
	if (!inputs->first)
		inputs->last = NULL;
	first->next = NULL;
	return first;
}

void ff_inputs_release(struct ff_inputs *inputs)
{
	for (struct ff_input *input; (input = ff_inputs_take(inputs));)
		ff_input_free(input);
}
