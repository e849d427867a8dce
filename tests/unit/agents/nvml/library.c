/* NVML's ABI without a GPU: libnvidia-ml.so.1 for tests of the real ctypes path. Structures and versions are the driver's.
 *
 * What it answers is in scenario.c: this file is one function for each of NVML's, no more. A structure whose version is not
 * the one that belongs to the function is refused, as the driver refuses it. With -DOLD it is the library of an old driver,
 * which lacks what came with R510 and later.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "scenario.h"

typedef struct { uint version; ull total, reserved, free, used; } memory_v2;
typedef struct { ull total, free, used; } memory;
typedef struct { uint gpu, memory; } rates;
typedef struct { uint pid; ull used; uint gpu_instance, compute_instance; } process;
typedef struct { char legacy[16]; uint domain, bus, device, id, subsystem; char bus_id[32]; } pci;
typedef struct { uint sms, copy, dec, enc, jpeg, ofa, gpu_slices, compute_slices; ull memory_mib; } attributes;
typedef struct { uint version, sensor; int celsius; } temperature;
typedef struct { uint version, supported; } gpm_support;
typedef struct { uint field, scope; int64_t at, latency; uint type, status; union { ull number; double real; } value; } field_value;
typedef struct { uint version; uint8_t cluster[16]; uint status, clique, state, health; } fabric;
typedef struct { ull reference, time; } violation;
typedef struct { device *of; ull type, data; uint gpu_instance, compute_instance; } event;
typedef struct { device *of; int gpu_instance; ull taken; } gpm_sample;
typedef struct { uint id, status; double value; const char *names[3]; } gpm_metric;
typedef struct { uint version, count; gpm_sample *one, *two; gpm_metric metrics[]; } gpm_metrics;

/* Each function begins with one of these: counted, told to hang or to fail, or not for a MIG instance. */
#define ANY(d) do { int failed = enter(__func__, d); if (failed) return failed; } while (0)
#define WHOLE(d) do { ANY(d); if ((d)->instance >= 0) return NOT_SUPPORTED; } while (0)
#define OF_MIG(d) do { ANY(d); if ((d)->instance < 0) return INVALID_ARGUMENT; } while (0)
#define VERSION(has, wants) do { if ((has) != (wants)) return VERSION_MISMATCH; } while (0)
#define NUMBER(name, key, otherwise) \
    int name(device *d, uint *out) { WHOLE(d); *out = (uint)number(d, key, otherwise); return OK; }
#define BIG(name, key, otherwise) \
    int name(device *d, ull *out) { WHOLE(d); *out = number(d, key, otherwise); return OK; }
#define PROCESSES(name, key) \
    int name(device *d, uint *count, process *out) { ANY(d); return processes(d, key, count, out); }

/* The driver and what it finds. */
int nvmlInitWithFlags(uint flags) { (void)flags; ANY(NULL); return started(1); }
int nvmlShutdown(void) { ANY(NULL); return started(0); }
const char *nvmlErrorString(int error) { static char text[32]; snprintf(text, sizeof text, "Error %d", error); return text; }
int nvmlSystemGetDriverVersion(char *out, uint n) { ANY(NULL); words(NULL, "driver", "570.124.06", out, n); return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { ANY(NULL); *out = (int)number(NULL, "cuda", 12080); return OK; }
int nvmlDeviceGetCount_v2(uint *out) { ANY(NULL); *out = (uint)present(); return OK; }
int nvmlDeviceGetHandleByIndex_v2(uint index, device **out) {
    ANY(NULL);
    *out = at_index(index);
    return *out ? enter("nvmlDeviceGetHandleByIndex_v2 of", *out) : INVALID_ARGUMENT;
}

/* Identity. */
int nvmlDeviceGetUUID(device *d, char *out, uint n) {
    char own[64];
    ANY(d);
    if (d->instance < 0) snprintf(own, sizeof own, "GPU-%d", d->gpu);
    else snprintf(own, sizeof own, "MIG-%d-%d", d->gpu, d->instance);
    words(d, "uuid", own, out, n);
    return OK;
}
int nvmlDeviceGetName(device *d, char *out, uint n) {
    ANY(d);
    words(d, "name", d->instance < 0 ? "NVIDIA H100 80GB HBM3" : "NVIDIA H100 80GB HBM3 MIG 3g.40gb", out, n);
    return OK;
}
int nvmlDeviceGetSerial(device *d, char *out, uint n) {
    char own[32];
    WHOLE(d);
    snprintf(own, sizeof own, "16%d", d->gpu);
    words(d, "serial", own, out, n);
    return OK;
}
int nvmlDeviceGetPciInfo_v3(device *d, pci *out) {
    char own[32];
    WHOLE(d);
    memset(out, 0, sizeof *out);
    snprintf(own, sizeof own, "00000000:%02X:00.0", d->gpu + 1);
    words(d, "pci", own, out->bus_id, sizeof out->bus_id);
    return OK;
}
NUMBER(nvmlDeviceGetArchitecture, "architecture", 9)
NUMBER(nvmlDeviceGetNumaNodeId, "numa", 1)
int nvmlDeviceGetTemperatureThreshold(device *d, uint which, uint *out) {
    WHOLE(d);
    *out = (uint)number(d, "slowdown", 90);
    return which == 1 ? OK : NOT_SUPPORTED;
}

/* MIG. */
int nvmlDeviceGetMigMode(device *d, uint *now, uint *pending) {
    WHOLE(d);
    *now = (uint)number(d, "mig", 0);
    *pending = (uint)number(d, "mig.pending", *now);
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(device *d, uint *out) { WHOLE(d); *out = INSTANCES; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(device *d, uint at, device **out) {
    WHOLE(d);
    if (at >= INSTANCES) return INVALID_ARGUMENT;
    *out = instance(d, (int)at);
    return number(*out, "present", 0) ? OK : NOT_FOUND;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device *d, device **out) { OF_MIG(d); *out = whole(d); return OK; }
int nvmlDeviceGetGpuInstanceId(device *d, uint *out) { OF_MIG(d); *out = (uint)number(d, "gi", d->instance + 1); return OK; }
int nvmlDeviceGetComputeInstanceId(device *d, uint *out) { OF_MIG(d); *out = (uint)number(d, "ci", 0); return OK; }
int nvmlDeviceGetAttributes_v2(device *d, attributes *out) {
    OF_MIG(d);
    *out = (attributes){.gpu_slices = (uint)number(d, "slices", 3), .memory_mib = number(d, "mib", 40320)};
    out->compute_slices = (uint)number(d, "compute_slices", out->gpu_slices);
    return OK;
}

/* What is asked with each reading. */
int nvmlDeviceGetMemoryInfo(device *d, memory *out) {
    ANY(d);
    out->total = number(d, "memory.total", 85899345920ull);
    out->used = number(d, "memory.used", 1073741824ull) + number(d, "memory.reserved", 536870912ull);
    out->free = out->total - out->used;
    return OK;
}
int nvmlDeviceGetUtilizationRates(device *d, rates *out) { WHOLE(d); out->gpu = (uint)number(d, "utilization", 42); return OK; }
NUMBER(nvmlDeviceGetPowerUsage, "power", 350000)
BIG(nvmlDeviceGetTotalEnergyConsumption, "energy", 123456789)
int nvmlDeviceGetTemperature(device *d, uint sensor, uint *out) {
    WHOLE(d);
    *out = (uint)number(d, "temperature", 61);
    return sensor == 0 ? OK : INVALID_ARGUMENT;
}
BIG(nvmlDeviceGetCurrentClocksThrottleReasons, "reasons", 0)
#ifndef OLD
int nvmlDeviceGetMemoryInfo_v2(device *d, memory_v2 *out) {
    ANY(d);
    VERSION(out->version, 0x02000028);
    out->total = number(d, "memory.total", 85899345920ull);
    out->used = number(d, "memory.used", 1073741824ull);
    out->reserved = number(d, "memory.reserved", 536870912ull);
    out->free = out->total - out->used - out->reserved;
    return OK;
}
int nvmlDeviceGetTemperatureV(device *d, temperature *out) {
    WHOLE(d);
    VERSION(out->version, 0x100000C);
    out->celsius = (int)number(d, "temperature", 61);
    return out->sensor == 0 ? OK : INVALID_ARGUMENT;
}
BIG(nvmlDeviceGetCurrentClocksEventReasons, "reasons", 0)
#endif

/* What is asked seldom. */
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "limit", 700000)
NUMBER(nvmlDeviceGetPcieReplayCounter, "replays", 4)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, "pages.pending", 0)
int nvmlDeviceGetClockInfo(device *d, uint which, uint *out) {
    WHOLE(d);
    *out = (uint)(which == 1 ? number(d, "clock.sm", 1980) : number(d, "clock.memory", 2619));
    return which == 1 || which == 2 ? OK : INVALID_ARGUMENT;
}
int nvmlDeviceGetFieldValues(device *d, int count, field_value *values) {
    char key[32];
    WHOLE(d);
    for (int at = 0; at < count; at++) {
        snprintf(key, sizeof key, "field.%u", values[at].field);
        values[at].type = 3;
        values[at].value.number = number(d, key, standing(values[at].field));
        snprintf(key, sizeof key, "field.%u.return", values[at].field);
        values[at].status = (uint)number(d, key, standing(values[at].field) == NONE ? NOT_SUPPORTED : OK);
    }
    return OK;
}
int nvmlDeviceGetTotalEccErrors(device *d, uint error, uint counter, ull *out) {
    WHOLE(d);
    *out = number(d, error ? (counter ? "ecc.lifetime" : "ecc.uncorrected") : "ecc.corrected", error ? (counter ? 9 : 0) : 12);
    return OK;
}
int nvmlDeviceGetRemappedRows(device *d, uint *corrected, uint *uncorrected, uint *pending, uint *failed) {
    WHOLE(d);
    *corrected = (uint)number(d, "rows.corrected", 2);
    *uncorrected = (uint)number(d, "rows.uncorrected", 1);
    *pending = (uint)number(d, "rows.pending", 0);
    *failed = (uint)number(d, "rows.failed", 0);
    return OK;
}
int nvmlDeviceGetRetiredPages_v2(device *d, uint cause, uint *count, ull *pages, ull *times) {
    uint there, room = *count;
    WHOLE(d);
    there = (uint)number(d, cause ? "pages.double" : "pages.single", 0);
    *count = there;
    if (room < there || !pages) return there ? INSUFFICIENT_SIZE : OK;
    memset(pages, 0, there * sizeof *pages);
    memset(times, 0, there * sizeof *times);
    return OK;
}
int nvmlDeviceGetViolationStatus(device *d, uint policy, violation *out) {
    char key[32];
    WHOLE(d);
    snprintf(key, sizeof key, "violation.%u", policy);
    out->time = number(d, key, 1000 + policy);
    return OK;
}
int nvmlDeviceGetNvLinkState(device *d, uint link, uint *out) {
    WHOLE(d);
    if (link >= number(d, "links", 4)) return INVALID_ARGUMENT;
    *out = (uint)of_link(d, link, "active", 1);
    return OK;
}
int nvmlDeviceGetNvLinkErrorCounter(device *d, uint link, uint counter, ull *out) {
    WHOLE(d);
    *out = of_link(d, link, "errors", 0);
    return link < number(d, "links", 4) && counter < 5 ? OK : INVALID_ARGUMENT;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(device *d, uint link, pci *out) {
    char key[32], own[32];
    WHOLE(d);
    memset(out, 0, sizeof *out);
    snprintf(key, sizeof key, "link.%u.pci", link);
    snprintf(own, sizeof own, "00000000:%02X:00.0", 0xA0 + link % 2);
    words(d, key, own, out->bus_id, sizeof out->bus_id);
    return OK;
}
int nvmlDeviceGetGpuFabricInfoV(device *d, fabric *out) {
    WHOLE(d);
    VERSION(out->version, 0x02000024);
    out->state = (uint)number(d, "fabric.state", 3);
    out->clique = (uint)number(d, "fabric.clique", 5);
    out->status = OK;
    memset(out->cluster, (int)number(d, "fabric.cluster", 0xAB), sizeof out->cluster);
    return OK;
}

/* GPM, which Hopper and later have. */
#ifndef OLD
int nvmlGpmQueryDeviceSupport(device *d, gpm_support *out) {
    ANY(d);
    VERSION(out->version, 1);
    out->supported = (uint)number(d, "gpm", 1);
    return OK;
}
int nvmlGpmSampleAlloc(gpm_sample **out) { ANY(NULL); *out = calloc(1, sizeof **out); return OK; }
int nvmlGpmSampleFree(gpm_sample *sample) { ANY(NULL); free(sample); return OK; }
int nvmlGpmSampleGet(device *d, gpm_sample *sample) {
    WHOLE(d);
    *sample = (gpm_sample){.of = d, .gpu_instance = -1, .taken = next()};
    return OK;
}
int nvmlGpmMigSampleGet(device *d, uint gpu_instance, gpm_sample *sample) {
    WHOLE(d);
    *sample = (gpm_sample){.of = d, .gpu_instance = (int)gpu_instance, .taken = next()};
    return OK;
}
int nvmlGpmMetricsGet(gpm_metrics *asked) {
    gpm_sample *one = asked->one, *two = asked->two;
    char key[48];
    VERSION(asked->version, 1);
    ANY(one->of);
    if (one->of != two->of || one->gpu_instance != two->gpu_instance || one->taken >= two->taken) return INVALID_ARGUMENT;
    for (uint at = 0; at < asked->count; at++) {
        gpm_metric *m = &asked->metrics[at];
        if (one->gpu_instance < 0) snprintf(key, sizeof key, "gpm.%u", m->id);
        else snprintf(key, sizeof key, "gi.%d.gpm.%u", one->gpu_instance, m->id);
        m->value = (double)number(one->of, key, 70 + m->id);
        m->status = (uint)number(one->of, "gpm.return", OK);
    }
    return OK;
}
#endif

/* Processes: `processes=41,42`, each with 1 GiB of memory. */
static int processes(device *d, const char *key, uint *count, process *out) {
    char listed[512], *at = listed;
    uint there = 0, room = *count;
    words(d, key, "", listed, sizeof listed);
    for (char *pid; (pid = strsep(&at, ",")) != NULL;) {
        if (!*pid) continue;
        if (out && there < room) out[there] = (process){.pid = (uint)atoi(pid), .used = 1u << 30, .gpu_instance = ~0u};
        there++;
    }
    *count = there;
    return there > room ? INSUFFICIENT_SIZE : OK;
}
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, "processes")
#ifndef OLD
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "processes")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "mps")
#endif

/* Events. */
int nvmlEventSetCreate(event_set **out) { ANY(NULL); *out = calloc(1, sizeof **out); return OK; }
int nvmlEventSetFree(event_set *set) { ANY(NULL); free(set); return OK; }
int nvmlDeviceRegisterEvents(device *d, ull types, event_set *set) {
    WHOLE(d);
    if (types == 8) set->gpus |= 1ull << d->gpu;
    return OK;
}
int nvmlEventSetWait_v2(event_set *set, event *out, uint timeout_ms) {
    xid found;
    ANY(NULL);
    int status = wait_for_xid(set, timeout_ms, &found);
    if (status == OK) *out = (event){.of = at_gpu(found.gpu), .type = 8, .data = found.number, .gpu_instance = ~0u};
    return status;
}
