// Counts what a whole process allocates: linked into a program, it stands before the C library's allocator.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

// From now on every allocation of every thread counts, from zero.
void allocation_counter_start(void);
// Ends counting; returns how many there were.
long allocation_counter_stop(void);
#endif
