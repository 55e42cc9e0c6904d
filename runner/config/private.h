/* What the files of this room share. */
#ifndef FF_CONFIG_PRIVATE_H
#define FF_CONFIG_PRIVATE_H

#include "base/buf.h"
#include "config/config.h"

/* A copy of `text` in the configuration's arena. */
char *ff_config_keep(struct ff_config *config, const char *text);
/* Zeroed memory there. */
void *ff_config_take(struct ff_config *config, size_t size);
/* Appends a copy, or gives up. */
void ff_config_add_text(struct ff_strv *strv, const char *text);
/* The absolute folder of `path`, in the arena. What is no file in a folder (standard input, a pipe
 * of the shell's) means the working directory. */
char *ff_config_directory_of(struct ff_config *config, const char *path);
/* All that comes from it, FF_CONFIG_FILE_MAX bytes at most; `path` is for messages. */
int ff_config_read_fd(struct ff_buf *text, int fd, const char *path, struct ff_err *err);
/* Appends what a command for /bin/sh writes on stdout, or more than `most` bytes: then it is left
 * alone. It has no stdin, and our stderr. 0 or an errno; *status is waitpid's. In source.c. */
int ff_config_shell(const char *directory, const char *command, size_t most, struct ff_buf *out,
		    int *status);
/* Looks it up if it has no value yet: see ff_config_reveal. */
int ff_config_reveal_secret(struct ff_config *config, struct ff_config_secret *secret,
			    struct ff_err *err);
void ff_config_host_release(struct ff_config_host *host);

#endif
