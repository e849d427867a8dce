/* NVML's ABI without a GPU: libnvidia-ml.so.1 for tests of the real ctypes path.
 *
 * NVML_STUB holds the words that say what happens, read anew with each call:
 *   mig (GPU 0 is cut in two), plain (nothing but identity and memory is supported), lost, reset and broken (GPU 1 answers
 *   with that error), gone (the driver as a whole), processes (GPU 0 has two), xid=79 (one event, on GPU 1).
 * NVML_STUB_INIT is the number that nvmlInit answers with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, TIMEOUT = 10,
    GPU_IS_LOST = 15, RESET_REQUIRED = 16, UNKNOWN = 999,
};

typedef unsigned int uint;
typedef unsigned long long ull;
typedef struct { uint gpu, instance; } device; /* instance 0 is the whole GPU */
typedef struct { ull total, free, used; } memory;
typedef struct { uint gpu, memory; } rates;
typedef struct { uint pid; ull used; uint gpu_instance, compute_instance; } process;
typedef struct { device *device; ull type, data; uint gpu_instance, compute_instance; } event;

static device devices[2][3] = {{{0, 0}, {0, 1}, {0, 2}}, {{1, 0}, {1, 1}, {1, 2}}};
static int event_taken, watched;

static const char *word(const char *name) {
    const char *all = getenv("NVML_STUB");
    return all ? strstr(all, name) : NULL;
}

/* What any call on this GPU answers when it cannot answer. */
static int trouble(device *d) {
    if (d->gpu == 1 && word("lost")) return GPU_IS_LOST;
    if (d->gpu == 1 && word("reset")) return RESET_REQUIRED;
    return OK;
}

/* The same for a reading; whole is what only a whole GPU has. */
static int reading(device *d, int whole) {
    if (trouble(d)) return trouble(d);
    if (d->gpu == 1 && word("broken")) return UNKNOWN;
    return word("plain") || (whole && d->instance) ? NOT_SUPPORTED : OK;
}

static int number(int status, uint value, uint *out) { if (!status) *out = value; return status; }
static int big(int status, ull value, ull *out) { if (!status) *out = value; return status; }

int nvmlInitWithFlags(uint flags) { (void)flags; const char *s = getenv("NVML_STUB_INIT"); return s ? atoi(s) : OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int error) { return error == UNKNOWN ? "Unknown Error" : "Some Error"; }
int nvmlSystemGetDriverVersion(char *out, uint n) { snprintf(out, n, "570.1"); return OK; }
int nvmlDeviceGetCount_v2(uint *out) { return number(word("gone") ? UNINITIALIZED : OK, 2, out); }
int nvmlDeviceGetHandleByIndex_v2(uint index, device **out) { *out = &devices[index][0]; return OK; }
int nvmlDeviceGetUUID(device *d, char *out, uint n) {
    if (d->instance) snprintf(out, n, "MIG-%u-%u", d->gpu, d->instance); else snprintf(out, n, "GPU-%u", d->gpu);
    return trouble(d);
}
int nvmlDeviceGetName(device *d, char *out, uint n) {
    snprintf(out, n, d->instance ? "NVIDIA H100 80GB HBM3 MIG 3g.40gb" : "NVIDIA H100 80GB HBM3");
    return trouble(d);
}
int nvmlDeviceGetSerial(device *d, char *out, uint n) { snprintf(out, n, "16%u", d->gpu); return reading(d, 1); }
int nvmlDeviceGetPciInfo_v3(device *d, void *out) {
    /* busIdLegacy[16], domain, bus, device, pciDeviceId, pciSubSystemId, busId[32] */
    memset(out, 0, 68);
    snprintf((char *)out + 36, 32, "00000000:0%u:00.0", d->gpu + 1);
    return reading(d, 1);
}
int nvmlDeviceGetMigMode(device *d, uint *now, uint *pending) {
    *now = *pending = d->gpu == 0 && word("mig") != NULL;
    return word("plain") ? NOT_SUPPORTED : trouble(d);
}
int nvmlDeviceGetMaxMigDeviceCount(device *d, uint *out) { return number(trouble(d), 7, out); }
int nvmlDeviceGetMigDeviceHandleByIndex(device *d, uint at, device **out) {
    if (at >= 2) return 6; /* NOT_FOUND */
    *out = &devices[d->gpu][at + 1];
    return trouble(d);
}
int nvmlDeviceGetMemoryInfo(device *d, memory *out) {
    out->total = 85899345920ull / (d->instance ? 2 : 1);
    out->used = word("plain") ? ~0ull : 1073741824ull;
    return trouble(d);
}
int nvmlDeviceGetUtilizationRates(device *d, rates *out) { out->gpu = 42; return reading(d, 1); }
int nvmlDeviceGetPowerUsage(device *d, uint *out) { return number(reading(d, 1), 350000, out); }
int nvmlDeviceGetTotalEnergyConsumption(device *d, ull *out) { return big(reading(d, 1), 123456789, out); }
int nvmlDeviceGetTemperature(device *d, uint sensor, uint *out) { (void)sensor; return number(reading(d, 1), 61, out); }
int nvmlDeviceGetTotalEccErrors(device *d, uint error, uint counter, ull *out) {
    return error == 1 && counter == 0 ? big(reading(d, 1), 3, out) : INVALID_ARGUMENT;
}
int nvmlDeviceGetComputeRunningProcesses_v3(device *d, uint *count, process *out) {
    uint there = d->gpu == 0 && word("processes") ? 2 : 0, room = *count;
    if (reading(d, 0)) return reading(d, 0);
    *count = there;
    if (room < there) return INSUFFICIENT_SIZE;
    for (uint at = 0; at < there; at++) out[at] = (process){.pid = 1000 + at, .used = 1 << 30};
    return OK;
}
int nvmlEventSetCreate(void **out) { *out = &watched; return word("plain") ? NOT_SUPPORTED : OK; }
int nvmlDeviceRegisterEvents(device *d, ull types, void *set) {
    (void)set;
    watched |= types == 8 ? 1 << d->gpu : 0;
    return OK;
}
int nvmlEventSetWait_v2(void *set, event *out, uint timeout) {
    (void)set; (void)timeout;
    const char *xid = word("xid=");
    if (!xid || event_taken || !(watched & 2)) return TIMEOUT;
    event_taken = 1;
    *out = (event){.device = &devices[1][0], .type = 8, .data = (ull)atoi(xid + 4)};
    return OK;
}
