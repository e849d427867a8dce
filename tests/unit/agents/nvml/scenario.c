/* A scenario in a file that is mapped and read anew when its generation changes.
 *
 * NVML_SCENARIO names the file: an 8-byte generation, odd while it is being written, then lines `name=value` up to a zero
 * byte. `return.FUNCTION` and `gpu.0.return.FUNCTION` are what a function answers with, `gpu.0.return` what all of a GPU do;
 * `hang.FUNCTION` and `gpu.0.hang.FUNCTION` hold it until the line is gone; `xid.SEQUENCE=GPU:XID` is told once.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "scenario.h"

#define SIZE 65536
#define SLOTS 4096
#define LINES 1024
#define CALLS 128

typedef struct { const char *name, *value; } line;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile const char *file;
static ull read_at = NONE;
static char text[SIZE];
static line table[SLOTS];
static int any_return, any_hang;
static struct { const char *name; ull count; } calls[CALLS];
static device devices[GPUS][INSTANCES + 1];
static ull sequence, told;
static int starts;

static uint hash(const char *s) {
    uint h = 2166136261u;
    while (*s) h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

static line *slot(const char *name) {
    uint at = hash(name) % SLOTS;
    while (table[at].name && strcmp(table[at].name, name)) at = (at + 1) % SLOTS;
    return &table[at];
}

static void parse(void) {
    char *rest = text;
    memset(table, 0, sizeof table);
    any_return = any_hang = 0;
    for (char *one; (one = strsep(&rest, "\n")) != NULL;) {
        char *equals = strchr(one, '=');
        if (!equals) continue;
        *equals = 0;
        *slot(one) = (line){one, equals + 1};
        any_return |= strstr(one, "return") != NULL;
        any_hang |= strstr(one, "hang") != NULL;
    }
}

/* With the lock held: what is in the table afterwards is one whole scenario. */
static void refresh(void) {
    if (!file) {
        const char *path = getenv("NVML_SCENARIO");
        int fd = path ? open(path, O_RDONLY) : -1;
        void *found = fd < 0 ? MAP_FAILED : mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
        if (found == MAP_FAILED) { fprintf(stderr, "NVML_SCENARIO names no scenario\n"); abort(); }
        file = found;
        close(fd);
        for (int gpu = 0; gpu < GPUS; gpu++)
            for (int at = 0; at <= INSTANCES; at++) devices[gpu][at] = (device){gpu, at - 1};
    }
    for (ull now; (now = *(volatile ull *)file) != read_at;) {
        if (now & 1) continue;
        memcpy(text, (const char *)file + 8, SIZE - 8);
        text[SIZE - 9] = 0;
        if (*(volatile ull *)file != now) continue;
        parse();
        read_at = now;
    }
}

static const char *find(const char *name) { refresh(); return slot(name)->value; }

static const char *of_device(device *d, const char *name) {
    char key[160];
    const char *found;
    if (!d) return find(name);
    if (d->instance < 0) snprintf(key, sizeof key, "gpu.%d.%s", d->gpu, name);
    else snprintf(key, sizeof key, "gpu.%d.instance.%d.%s", d->gpu, d->instance, name);
    if ((found = find(key))) return found;
    snprintf(key, sizeof key, "all.%s", name);
    return find(key);
}

ull number(device *d, const char *name, ull otherwise) {
    pthread_mutex_lock(&lock);
    const char *found = of_device(d, name);
    ull value = found ? strtoull(found, NULL, 0) : otherwise;
    pthread_mutex_unlock(&lock);
    return value;
}

void words(device *d, const char *name, const char *otherwise, char *out, uint room) {
    pthread_mutex_lock(&lock);
    const char *found = of_device(d, name);
    snprintf(out, room, "%s", found ? found : otherwise);
    pthread_mutex_unlock(&lock);
}

ull of_link(device *d, uint link, const char *name, ull otherwise) {
    char key[48];
    snprintf(key, sizeof key, "link.%u.%s", link, name);
    return number(d, key, otherwise);
}

ull standing(uint field) {
    switch (field) {
    case 3: return 12; /* ECC corrected, volatile */
    case 4: return 0; /* uncorrected */
    case 6: return 9; /* uncorrected over its life */
    case 38: case 45: case 52: case 59: return 1; /* NVLink errors: CRC of flits and data, replays, recoveries */
    case 74: case 75: case 76: case 77: case 78: case 79: return 1000 + field; /* time under each policy */
    case 82: return 72; /* temperature of the memory */
    case 91: return 4; /* links */
    case 94: return 4; /* PCIe replays */
    case 142: return 2; /* rows remapped after corrected errors */
    case 143: return 1; /* after uncorrected ones */
    case 144: case 145: return 0; /* remapping pending, failed */
    default: return NONE; /* such as retired pages, which Hopper has none of */
    }
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static int told_to(const char *what, const char *function, device *d, ull *value) {
    char name[128];
    const char *found;
    snprintf(name, sizeof name, "%s.%s", what, function);
    found = find(name);
    if (!found && d) found = of_device(d, name);
    if (!found && d) found = of_device(d->instance < 0 ? d : whole(d), what);
    if (found) *value = strtoull(found, NULL, 0);
    return found != NULL;
}

static void count(const char *function) {
    int at = 0;
    while (at < CALLS - 1 && calls[at].name && calls[at].name != function && strcmp(calls[at].name, function)) at++;
    calls[at].name = function;
    calls[at].count++;
}

int enter(const char *function, device *d) {
    ull status = OK, held = 1;
    pthread_mutex_lock(&lock);
    refresh();
    count(function);
    while (any_hang && held && told_to("hang", function, d, &held)) {
        pthread_mutex_unlock(&lock);
        nap();
        pthread_mutex_lock(&lock);
        refresh();
    }
    if (any_return) told_to("return", function, d, &status);
    if (!starts && strcmp(function, "nvmlInitWithFlags") && status == OK) status = UNINITIALIZED;
    pthread_mutex_unlock(&lock);
    return (int)status;
}

/* For tests: how often a function was called. */
ull calls_of(const char *function) {
    ull found = 0;
    for (int at = 0; at < CALLS && calls[at].name; at++) found += strcmp(calls[at].name, function) ? 0 : calls[at].count;
    return found;
}

int started(int up) { return starts += up ? 1 : -1, OK; }

static int is_present(int gpu) { return number(&devices[gpu][0], "present", (ull)gpu < number(NULL, "gpus", 2)) != 0; }

int present(void) {
    int there = 0;
    for (int gpu = 0; gpu < GPUS; gpu++) there += is_present(gpu);
    return there;
}

device *at_index(uint index) {
    for (int gpu = 0; gpu < GPUS; gpu++)
        if (is_present(gpu) && index-- == 0) return &devices[gpu][0];
    return NULL;
}

device *at_gpu(int gpu) { return &devices[gpu][0]; }
device *instance(device *of, int at) { return &devices[of->gpu][at + 1]; }
device *whole(device *d) { return &devices[d->gpu][0]; }

ull next(void) {
    pthread_mutex_lock(&lock);
    ull value = ++sequence;
    pthread_mutex_unlock(&lock);
    return value;
}

/* The next XID that was not told of yet; one of a GPU that nobody watches is told to nobody. */
static int take_xid(event_set *set, xid *out) {
    char name[32];
    int taken = 0;
    pthread_mutex_lock(&lock);
    snprintf(name, sizeof name, "xid.%llu", told + 1);
    const char *found = find(name);
    if (found && sscanf(found, "%d:%llu", &out->gpu, &out->number) == 2) {
        told++;
        taken = set->gpus >> out->gpu & 1;
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

static int lost_one(event_set *set) {
    for (int gpu = 0; gpu < GPUS; gpu++)
        if ((set->gpus >> gpu & 1) && number(&devices[gpu][0], "return", OK) == GPU_IS_LOST) return 1;
    return 0;
}

int wait_for_xid(event_set *set, uint timeout_ms, xid *out) {
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (;;) {
        if (take_xid(set, out)) return OK;
        if (lost_one(set)) return GPU_IS_LOST;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - end.tv_sec) * 1000 + (now.tv_nsec - end.tv_nsec) / 1000000 >= (long)timeout_ms) return TIMEOUT;
        nap();
    }
}
