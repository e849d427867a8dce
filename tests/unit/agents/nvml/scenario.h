/* The scenario that library.c answers from: lines `name=value` in a file that may change at any moment. */
#ifndef SCENARIO_H
#define SCENARIO_H

#define GPUS 16
#define INSTANCES 7
#define NONE (~0ull)
/* A field that nobody gave a value. */

typedef unsigned int uint;
typedef unsigned long long ull;
typedef struct { int gpu, instance; } device; /* instance -1 is the whole GPU */
typedef struct { ull gpus; } event_set;
typedef struct { int gpu; ull number; } xid;

enum {
    OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, TIMEOUT = 10,
    GPU_IS_LOST = 15, VERSION_MISMATCH = 25,
};

/* Counts a call; waits while it is told to hang; answers what it is told to. `d` may be NULL. */
int enter(const char *function, device *d);
/* `gpu.0.NAME` (`gpu.0.instance.1.NAME`), else `all.NAME`, else what is given; `NAME` alone without a GPU. */
ull number(device *d, const char *name, ull otherwise);
void words(device *d, const char *name, const char *otherwise, char *out, uint room);
ull of_link(device *d, uint link, const char *name, ull otherwise);
/* What a field of nvmlDeviceGetFieldValues says unless told otherwise. */
ull standing(uint field);

int present(void);
device *at_index(uint index);
device *at_gpu(int gpu);
device *instance(device *of, int at);
device *whole(device *d);
/* Whether the library was started as often as it was stopped; 0 counts down. */
int started(int up);
ull next(void);
int wait_for_xid(event_set *set, uint timeout_ms, xid *out);

#endif
