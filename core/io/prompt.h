/* To be woken in time on a busy machine. */
#ifndef FF_IO_PROMPT_H
#define FF_IO_PROMPT_H

/* Asks the scheduler for short slices for the calling thread: it answers and hands out work for
 * microseconds at a time, and beside programs that compute it should not have to wait for the end
 * of theirs. What it starts has the slices of before. For programs, not for libraries; where the
 * system has nothing of the kind (Linux before 6.12), or the process has a priority of its own,
 * nothing changes. errno is kept. See sched_setattr(2), sched_runtime. */
void ff_prompt(void);

#endif
